"""The ledger that each release wrote is read, verified and folded by this version as it was then."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from graph_schema.events import EVENT_TYPES
from lineage_service.evidence.findings import SIGNED
from lineage_service.evidence.inspection import run_verify
from lineage_service.evidence.rebuild import rebuild
from lineage_service.evidence.state_root import state_root
from lineage_service.ledger.checkpoint import open_checkpoint
from lineage_service.ledger.keys import load_key
from lineage_service.ledger.signer import create_state
from lineage_service.recorder.disclosure import Disclosure
from lineage_service.recorder.installation import Installation, Places, load_secrets
from lineage_service.store.protocol import RecordQuery
from lineage_service.store.sqlite import SqliteStore
from tests.ledgers import rows_of
from tests.vectors import write_release

RELEASES = sorted(Path(__file__).parent.glob("release-*"))
HOW = (
    "write tests/vectors/examples/TYPE.json for each: the fact as its source or command would send it, with every field"
    " that the type has, like its neighbours there. Nothing else is needed: the writer picks it up, and the folders"
    " release-* are left as they are"
)
PERSONAL = ("dana", "Dana", "omar", "Omar", "joe", "private", "nightly", "same desk", "audit 2027", "who pays back")


def told(release: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((release / "expected.json").read_text(encoding="utf-8"))
    return found


def unpacked(release: Path, folder: Path) -> Places:
    """Put the ledger of a release where an installation has it, brought to the schema of this version."""
    places = Places(folder / "lineage.db", folder / "keys")
    places.keys.mkdir(mode=0o700)
    for name, text in json.loads((release / "keys.json").read_text(encoding="utf-8")).items():
        if name.endswith(".key"):
            (places.keys / name).write_text(text, encoding="utf-8")
            (places.keys / name).chmod(0o600)
    key = load_key(places.log_key).verifier
    create_state(places.signer_state, open_checkpoint(told(release)["note"].encode(), told(release)["origin"], [key]))
    places.file.write_bytes((release / "ledger.sqlite").read_bytes())
    SqliteStore.create(places.file)
    return places


def graph_of(database: Path) -> str:
    with closing(SqliteStore(database, writing=False)) as store, store.read() as reader:
        return state_root(reader, reader.head().size - 1).hex()


def test_there_is_a_ledger_of_a_release() -> None:
    assert [release.name for release in RELEASES][:1] == ["release-0.1"]


@pytest.fixture(params=RELEASES, ids=lambda release: str(release.name))
def release(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


@pytest.fixture
def places(release: Path, tmp_path: Path) -> Places:
    return unpacked(release, tmp_path)


def test_its_ledger_verifies_with_everything_in_it(release: Path, places: Places) -> None:
    report = run_verify(places, deep=True, level=SIGNED)
    assert report.exit_code == 0, report.lines()
    assert report.counts["records"] == told(release)["records"]


def test_its_records_hold_every_type_that_it_could_write(release: Path, places: Places) -> None:
    records = [json.loads(body) for _, _, body in rows_of(places.file)]
    assert {record["type"] for record in records} == set(told(release)["types"])
    assert len(records) == told(release)["records"]


def test_its_graph_is_the_one_it_was_and_so_is_a_fresh_fold(release: Path, places: Places, tmp_path: Path) -> None:
    assert graph_of(places.file) == told(release)["graph"]
    with closing(SqliteStore(places.file, writing=False)) as store:
        head = rebuild(store, tmp_path / "fresh.db")
    assert head.frontier.root().hex() == told(release)["root"]
    assert graph_of(tmp_path / "fresh.db") == told(release)["graph"]


def test_the_root_it_recorded_of_its_graph_is_the_root_of_the_records_before(places: Places) -> None:
    with closing(SqliteStore(places.file, writing=False)) as store, store.read() as reader:
        (sealed,) = [json.loads(one.body) for one in reader.records(RecordQuery(type="graph.sealed"))]
        assert state_root(reader, sealed["body"]["size"] - 1).hex() == sealed["body"]["root"]


def test_its_personal_values_are_in_no_record_and_open_with_its_keys(release: Path, places: Places) -> None:
    written = b"".join(body for _, _, body in rows_of(places.file)).decode()
    assert [word for word in PERSONAL if word in written] == []
    with closing(SqliteStore(places.file, writing=False)) as store, store.read() as reader:
        opener = Disclosure(load_secrets(places, told(release)["origin"]), store.vault())
        (stage,) = [json.loads(one.body) for one in reader.records(RecordQuery(type="stage.transitioned"))]
        assert opener.name(stage["actor"]["id"]) == "dana (mlflow:prod)"
        assert opener.value(stage, stage["sd"][stage["body"]["reason"]["sd"]]) == "better"


def test_its_log_goes_on_under_this_version(places: Places) -> None:
    before = rows_of(places.file)
    installation = Installation(places, SqliteStore(places.file), clock=lambda: write_release.START + 1_000_000)
    incoming = next(write_release.examples())
    fresh = incoming.event.model_copy(update={"occurred_at": "2027-01-15T08:00:01.000000Z"})
    prepared = installation.preparation.prepare([type(incoming)(fresh, incoming.sender)])
    installation.recorder.record(prepared, ack="signed")
    installation.close()
    assert rows_of(places.file)[:-1] == before
    assert run_verify(places, deep=True, level=SIGNED).exit_code == 0


# ------------------------------------------------------------------------------------------------ what is written today


def test_there_is_an_example_of_every_type_of_event() -> None:
    missing = sorted(set(EVENT_TYPES) - write_release.example_types())
    assert not missing, f"no example of {', '.join(missing)}: {HOW}"


def test_there_is_no_example_of_a_type_that_does_not_exist() -> None:
    assert sorted(write_release.example_types() - set(EVENT_TYPES)) == []


def test_what_this_version_writes_of_all_examples_verifies_and_folds_to_the_same_graph(tmp_path: Path) -> None:
    places, _ = write_release.write_ledger(tmp_path)
    records = [json.loads(body) for _, _, body in rows_of(places.file)]
    assert {record["type"] for record in records} == write_release.example_types()
    report = run_verify(places, deep=True, level=SIGNED)
    assert report.exit_code == 0, report.lines()
    with closing(SqliteStore(places.file, writing=False)) as store:
        rebuild(store, tmp_path / "fresh.db")
    assert graph_of(tmp_path / "fresh.db") == graph_of(places.file)


def test_the_same_examples_give_the_same_records_and_the_same_head(tmp_path: Path) -> None:
    written = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        places, note = write_release.write_ledger(tmp_path / name)
        written.append((rows_of(places.file), note))
    assert written[0] == written[1]


def test_the_folder_of_a_release_is_never_written_over(release: Path) -> None:
    with pytest.raises(FileExistsError):
        write_release.write_release(release)
