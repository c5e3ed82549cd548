"""Acts that the plugin sent and sightings of a reader are one movement in every answer, in whatever order they come."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.mlflow.existing import Existing
from collectors.mlflow.memory import Memory
from collectors.mlflow.reading import Reading
from graph_schema.times import format_time
from tests.service import Service, make_service
from tests.unit.collectors.mlflow.stand_in import StandIn

MODEL = "model:prod::credit"
BATCH = 12
ACTOR = {"issuer": "mlflow:prod", "subject": "ada", "assurance": "authenticated", "via": "mlflow-basic-auth"}
Fact = dict[str, Any]

steps = st.one_of(
    st.tuples(st.just("stage"), st.sampled_from("123"), st.sampled_from(["Production", "Staging", "Archived"])),
    st.tuples(st.just("alias"), st.sampled_from(["champion", "shadow"]), st.sampled_from("123")),
    st.tuples(st.just("no alias"), st.sampled_from(["champion", "shadow"]), st.just("")),
    st.tuples(st.just("delete"), st.sampled_from("123"), st.just("")),
    st.tuples(st.just("anew"), st.just(""), st.just("")),
    st.tuples(st.just("read"), st.just(""), st.just("")),
)


class World:
    """A server that people change through the plugin, and a reader that looks now and then."""

    def __init__(self, folder: Path) -> None:
        self.held = StandIn()
        self.acts: list[Fact] = []
        self.sightings: list[Fact] = []
        self.memory = Memory(folder / "seen.db", "a server")
        self.held.make("credit", 3)

    def act(self, kind: str, **body: Any) -> None:
        """Note what the plugin sends of a change that was just made."""
        self.acts.append({
            "type": kind, "ev": 1, "occurred_at": format_time(self.held.now * 1000 + 400_000),
            "source": {"event_id": f"act-{len(self.acts)}"}, "actor": ACTOR, "body": {"model": MODEL, **body},
        })  # fmt: skip

    def named(self, version: str) -> dict[str, Any]:
        return {"version": version, "created_ms": self.held.version("credit", version)["creation_timestamp"]}

    def do(self, what: str, first: str, second: str) -> None:
        """Do one step, if there is still something to do it to; each takes seconds."""
        self.held.now += 5000
        there = {row["version"] for row in self.held.versions}
        if what == "read":
            self.read()
        elif what == "stage" and first in there:
            self.held.move("credit", first, second)
            self.act("stage.transitioned", **self.named(first), to=second)
        elif what == "alias" and second in there:
            self.held.alias("credit", first, second)
            self.act("alias.moved", **self.named(second), alias=first)
        elif what == "no alias":
            self.held.alias("credit", first, None)
            self.act("alias.removed", alias=first)
        elif what == "delete" and first in there:
            self.act("model_version.deleted", **self.named(first))
            self.held.delete("credit", first)
            aliases = self.held.model("credit").get("aliases", [])
            self.held.model("credit")["aliases"] = [one for one in aliases if one["version"] != first]
        elif what == "anew":
            self.act("model.deleted")
            self.held.delete("credit")
            self.held.now += 1000
            self.held.make("credit", 3)
            self.act("model.declared")
            for number in "123":
                self.act("model_version.registered", **self.named(number))

    def read(self) -> None:
        """Let the reader look."""

        def sleep(seconds: float) -> None:
            self.held.now += int(seconds * 1000)

        def clock() -> int:
            return self.held.now * 1000

        Reading(
            Existing(self.held.server()), self.memory, "prod", self.sightings.extend, clock, sleep
        ).read()
        self.held.now += 5000


def answers(service: Service) -> tuple[Any, ...]:
    """Give what deployments, live and history say, without record numbers."""

    def rows(question: str, *shown: str) -> list[Any]:
        reply = service.get(f"/api/v1/{question}&limit=1000" if "?" in question else f"/api/v1/{question}")
        assert reply.status_code == 200, reply.text
        return sorted([[str(row.get(name)) for name in shown] for row in reply.json()["value"]["rows"]])

    moved = rows(f"deployments?model={MODEL}", "key", "stage", "alias", "from", "until", "not_before")
    live = rows("live", "key", "stage", "alias", "since")
    happened = rows(f"history?node={MODEL}", "occurred_at", "type", "what")
    return moved, live, happened


def asked(acts: Sequence[Fact], sightings: Sequence[Fact], order: Sequence[int]) -> tuple[Any, ...]:
    """Give the answers of a service that was told facts of two sources in this order, in batches."""
    said = [("mlflow", one) for one in acts] + [("mlflow-poll", one) for one in sightings]
    ordered = [said[number] for number in order if number < len(said)]
    with tempfile.TemporaryDirectory() as folder, make_service(Path(folder)) as service:
        tokens = {kind: service.source_token(kind) for kind in ("mlflow", "mlflow-poll")}
        for start in range(0, len(ordered), BATCH):
            for kind, token in tokens.items():
                facts = [fact for sender, fact in ordered[start : start + BATCH] if sender == kind]
                assert not facts or service.send(*facts, token=token).status_code == 201
        return answers(service)


@settings(max_examples=8)
@given(story=st.lists(steps, min_size=3, max_size=9), data=st.data())
def test_what_the_plugin_saw_and_what_a_reader_saw_is_told_once(
    story: list[tuple[str, str, str]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        for step in [*story, ("read", "", "")]:
            world.do(*step)
        world.memory.close()
    both = range(len(world.acts) + len(world.sightings))
    moved, live, _ = asked(world.acts, [], both)
    first = asked(world.acts, world.sightings, both)
    again = asked(world.acts, world.sightings, data.draw(st.permutations(both)))
    assert first == again
    assert first[0] == moved
    assert first[1] == live
    done = [what for _, kind, what in first[2] if " moved to " in what or " names version " in what]
    assert len(done) == sum(act["type"] in ("stage.transitioned", "alias.moved") for act in world.acts)


def test_what_only_a_reader_saw_is_a_movement_by_nobody_known_since_the_import(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.held.move("credit", "2", "Production")
    world.held.alias("credit", "champion", "2")
    world.read()
    world.do("alias", "champion", "3")
    world.held.move("credit", "2", "Archived")
    world.read()
    world.memory.close()
    with make_service(tmp_path) as service:
        tokens = {kind: service.source_token(kind) for kind in ("mlflow", "mlflow-poll")}
        service.send(*world.sightings, token=tokens["mlflow-poll"])
        size = service.size
        service.send(*world.sightings, token=tokens["mlflow-poll"])
        assert service.size == size
        service.send(*world.acts, token=tokens["mlflow"])
        answer = service.get(f"/api/v1/deployments?model={MODEL}").json()
        shown = {(row["stage"] or row["alias"], row["version"]): row for row in answer["value"]["rows"]}
        assert set(shown) == {("Production", "2"), ("champion", "2"), ("champion", "3")}
        assert shown["champion", "3"]["deployed_by"]["assurance"] == "authenticated"
        assert shown["Production", "2"]["deployed_by"]["assurance"] == "observed"
        assert shown["Production", "2"]["until"] is not None
        gaps = {(gap["kind"], gap["subject"]) for gap in answer["gaps"]}
        seqs = {f"record {shown[key]['seq']}" for key in (("Production", "2"), ("champion", "2"))}
        assert {subject for kind, subject in gaps if kind == "import"} == seqs
        live = service.get("/api/v1/live").json()
        assert {row["version"] for row in live["value"]["rows"]} == {"3"}
        seq = live["value"]["rows"][0]["seq"]
        assert ("late", f"record {seq}") in {(gap["kind"], gap["subject"]) for gap in live["gaps"]}
