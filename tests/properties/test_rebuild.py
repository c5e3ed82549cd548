"""The graph is a fold: any history rebuilds to the same rows and root, and the order of arrival decides nothing."""

import random
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from graph_schema.events import archive
from graph_schema.fold import fold
from graph_schema.kinds import Edge, Kind
from lineage_service.evidence.inspection import run_verify
from lineage_service.evidence.rebuild import rebuild
from lineage_service.evidence.record_form import read_record
from lineage_service.evidence.state_root import entity_hash, state_root
from lineage_service.ledger.merkle import Frontier, leaf_hash
from lineage_service.recorder.installation import Installation, Places, create
from lineage_service.recorder.preparation import Incoming, Sender
from lineage_service.store.protocol import EMPTY_HEAD, END_OF_TIME, Cut, PointQuery, Reader
from lineage_service.store.sqlite import SqliteStore
from tests.ledgers import GIT, MLFLOW, fact, make_ledger, rows_of, ticking, varied_events

OTHER = Sender("openlineage", "prod")
small = st.integers(0, 3)


@st.composite
def events(draw: st.DrawFn) -> tuple[Any, Sender]:
    """One event out of a small world, so that facts meet: repeated edges of other strengths, roles, sources."""
    number, run, version = draw(st.integers(0, 8)), draw(small), draw(small)
    sender = draw(st.sampled_from([MLFLOW, OTHER]))
    kind = draw(st.sampled_from(["run", "stage", "version", "tag", "dataset", "deleted"]))
    model = {"model": "model:r::m", "version": str(version), "created_ms": 1000 + version}
    if kind == "run":
        how = draw(st.sampled_from(["exact", "declared"]))
        roles = draw(st.lists(st.sampled_from(["training", "test", "scoring"]), max_size=2, unique=True))
        read = {"namespace": "s3://b", "name": f"d{draw(small)}", "how": how, "roles": roles}
        if draw(st.booleans()):
            read["version"] = str(version)
        body: dict[str, Any] = {
            "run": f"r{run}",
            "inputs": [read],
            "metrics": [{"key": "a", "value": str(draw(small))}],
        }
        return fact("run.observed", number, body, order=draw(st.none() | small)), sender
    if kind == "stage":
        body = {**model, "to": draw(st.sampled_from(["A", "B"])), "archive_others": draw(st.booleans())}
        return fact("stage.transitioned", number, body), sender
    if kind == "version":
        body = {**model, "run": f"r{run}", "tags": [["mlflow.source.type", str(run)], ["secret", "x"]]}
        return fact("model_version.registered", number, body), sender
    if kind == "tag":
        body = {"node": f"run:r{run}", "name": "t"}
        return fact("tag.removed", number, body), sender
    if kind == "deleted":
        return fact("model_version.deleted", number, {**model}), sender
    body = {"namespace": "s3://b", "name": f"d{run}", "same_as": [{"namespace": "s3://c", "name": "e"}]}
    return fact("dataset.declared", number, body), GIT


def withdrawal(installation: Installation, run: int) -> Incoming:
    body = {"from": f"run:r{run}", "type": "READ", "to": "dataset:s3://b::d1", "source": MLFLOW.key}
    return installation.own_event(archive.EdgeWithdrawn, body)


def new_log(folder: Path) -> tuple[Places, Installation]:
    places = Places(folder / "lineage.db", folder / "keys")
    return places, create(places, origin="test.example/log", clock=ticking())


def root_of(path: Path, known_at: int) -> bytes:
    store = SqliteStore(path, writing=False)
    try:
        with store.read() as reader:
            return state_root(reader, known_at)
    finally:
        store.close()


@settings(max_examples=25)
@given(st.lists(events(), min_size=1, max_size=25), st.integers(1, 7), st.sets(small, max_size=2))
def test_any_history_in_any_grouping_rebuilds_to_the_same_graph(
    history: list[tuple[Any, Sender]], group: int, withdrawn: set[int]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        places, installation = new_log(folder / "log")
        try:
            incoming = [Incoming(event, sender) for event, sender in history]
            incoming[len(incoming) // 2 : 0] = [withdrawal(installation, run) for run in sorted(withdrawn)]
            for at in range(0, len(incoming), group):
                installation.recorder.record(
                    installation.preparation.prepare(incoming[at : at + group]), ack="committed"
                )
            target = folder / "rebuilt"
            with installation.store.read() as reader:
                head = reader.head()
            assert rebuild(installation.store, target) == replace(head, mac=b"")  # only the service seals a head
            for known_at in (0, head.size // 2, head.size - 1):
                assert root_of(target, known_at) == root_of(places.file, known_at)
        finally:
            installation.close()
        report = run_verify(places, deep=True, level=2)
        assert (report.exit_code, report.findings) == (0, ()), report.lines()


@settings(max_examples=25)
@given(st.lists(events(), min_size=2, max_size=25), st.randoms(use_true_random=False), st.integers(1, 7))
def test_the_order_and_grouping_in_which_facts_arrive_change_no_state_root(
    history: list[tuple[Any, Sender]], draw: random.Random, group: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        places, installation = new_log(folder / "log")
        try:
            for event, sender in history:
                installation.recorder.record(
                    installation.preparation.prepare([Incoming(event, sender)]), ack="committed"
                )
            installation.recorder.record(
                installation.preparation.prepare([withdrawal(installation, 1)]), ack="committed"
            )
        finally:
            installation.close()
        changes = [fold(read_record(body)) for _, _, body in rows_of(places.file)]
        draw.shuffle(changes)
        target = folder / "shuffled"
        SqliteStore.create(target)
        store = SqliteStore(target)
        for at in range(0, len(changes), group):
            with store.begin() as transaction:
                transaction.head([])
                transaction.apply(list(enumerate(changes))[at : at + group])
                if at == 0:
                    transaction.move_head(replace(EMPTY_HEAD, size=1, last=b"x" * 32))
        store.close()
        last = len(changes) - 1
        assert root_of(target, last) == root_of(places.file, last)


def test_a_changed_register_edge_or_point_changes_the_state_root(tmp_path: Path) -> None:
    places, installation = new_log(tmp_path / "log")
    events_of = varied_events(installation, 40)
    roots = set()
    for event in events_of:
        before = installation.recorder.record(installation.preparation.prepare([event]), ack="committed").size
        roots.add(root_of(places.file, before - 1))
    installation.close()
    assert len(roots) == 40
    assert root_of(places.file, 20) in roots


def test_the_state_root_of_an_earlier_record_stays_what_it_was(tmp_path: Path) -> None:
    places, installation = new_log(tmp_path / "log")
    earlier = varied_events(installation, 60)
    for _ in range(30):
        installation.recorder.record(installation.preparation.prepare([next(earlier)]), ack="committed")
    then = root_of(places.file, 30)
    installation.recorder.record(installation.preparation.prepare(list(earlier)), ack="committed")
    installation.close()
    assert root_of(places.file, 30) == then
    assert root_of(places.file, 60) != then


def test_the_state_root_has_a_leaf_for_each_entity_by_itself_in_the_order_of_keys(tmp_path: Path) -> None:
    store = SqliteStore(make_ledger(tmp_path, 300).file, writing=False)
    try:
        with store.read() as reader:
            last = reader.head().size - 1
            cut = Cut(END_OF_TIME - 1, last)
            known = {key: kind for kind in Kind for key in reader.find(kind.value, "", None, 10**6, cut)}
            leaves = [
                leaf_hash(b"lineage-state-v1\0" + key.encode() + b"\0" + hash_alone(reader, key, known[key], cut))
                for key in sorted(known)
            ]
            assert len(leaves) > 400
            assert state_root(reader, last) == Frontier().extend(leaves).root()
    finally:
        store.close()


def hash_alone(reader: Reader, key: str, kind: Kind, cut: Cut) -> bytes:
    walk = reader.walk({key: 0}, "up", (min(Edge).value, max(Edge).value), 1, 10**6, cut)
    edges = [found for found in walk.assertions if found.start == key]
    facts = reader.nodes([key], cut, every=[key])[key]
    return entity_hash(kind, facts, edges, reader.points(PointQuery(subjects=[key]), cut))
