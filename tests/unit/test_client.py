import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from graph_schema.answers import Answer
from lineage_service import client as package
from lineage_service.client import (
    AbsentPackageError,
    AnswerError,
    BadRequestError,
    ClientError,
    Credential,
    CredentialError,
    LineageClient,
    NobodyError,
    RefusedError,
    RolledBackError,
    UnavailableError,
    UnknownNameError,
    words,
)
from lineage_service.client.head import read_note
from lineage_service.ledger.checkpoint import open_checkpoint
from lineage_service.ledger.merkle import leaf_hash, verify_inclusion
from lineage_service.ledger.note import parse_vkey
from tests.served import Served, fact, free_port, serving, story, version

CREDIT = "model_version:credit/3"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("served")) as running:
        with running.client(running.source) as source:
            source.record_events(story())
        yield running


@pytest.fixture
def client(served: Served) -> Iterator[LineageClient]:
    with served.client() as connected:
        yield connected


# ------------------------------------------------------------------------------------------------- a real service


def test_answers_are_the_typed_envelope(client: LineageClient) -> None:
    answer = client.provenance(CREDIT)
    assert isinstance(answer, Answer)
    assert answer.question == "provenance"
    assert answer.value["root"].startswith("model_version:mlflow-prod::credit/3@")
    assert answer.known_at["seq"] >= 0
    assert [row["kind"] for row in answer.rows[:2]] == ["model_version", "run"]
    assert {edge["type"] for edge in answer.edges} == {"PRODUCED_BY", "USED", "BUILT_FROM"}
    assert answer.raw["complete"] is answer.complete is False


@pytest.mark.parametrize(
    "ask",
    [
        lambda client, **times: client.provenance(CREDIT, **times),
        lambda client, **times: client.impact("dataset:s3://b::loans", depth=3, limit=50, **times),
        lambda client, **times: client.deployments("credit", **times),
        lambda client, **times: client.live(model="credit", **times),
        lambda client, **times: client.history("model:credit", **times),
    ],
)
def test_every_question_repeats_for_one_record_number(client: LineageClient, ask: Callable[..., Any]) -> None:
    first = ask(client, as_of="2026-03-03", tz="Europe/Zurich")
    again = ask(client, as_of=first.as_of, known_at=first.known_at["seq"])
    assert first.as_of == "2026-03-02T23:00:00.000000Z"
    assert (again.value, again.evidence) == (first.value, first.evidence)
    assert first.rows


def test_pages_go_on_where_they_ended(client: LineageClient) -> None:
    whole = client.deployments("credit").value["rows"]
    first = client.deployments("credit", limit=1)
    rest = client.deployments("credit", after=first.value["after"])
    assert first.value["rows"] + rest.value["rows"] == whole
    assert rest.value["after"] is None


def test_nodes_and_records_are_found(client: LineageClient) -> None:
    assert client.nodes("model")["nodes"] == ["model:mlflow-prod::credit"]
    assert client.node("model:credit")["kind"] == "model"
    page = client.records(type="stage.transitioned", limit=1)
    assert [line["record"]["type"] for line in page["records"]] == ["stage.transitioned"]
    assert client.records(after=page["next"], type="stage.transitioned")["records"]


def test_a_repeated_fact_gets_its_first_receipt(served: Served) -> None:
    event = fact("alias.moved", "2026-05-01T00:00:00Z", version("3", alias="twice"))
    with served.client(served.source) as source:
        first, again = source.record_events([event]), source.record_events([event])
    assert (first[0].seq, first[0].hash, first[0].ack) == (again[0].seq, again[0].hash, "signed")
    assert first[0].proof is not None


def test_a_refused_fact_is_named_and_nothing_is_recorded(served: Served) -> None:
    good = fact("alias.moved", "2026-05-02T00:00:00Z", version("3", alias="never"))
    bad = fact("alias.moved", "2026-05-02T00:00:00Z", {"model": "nonsense", "alias": "x"})
    with served.client(served.source) as source, pytest.raises(BadRequestError, match="event 1") as caught:
        source.record_events([good, bad])
    assert caught.value.index == 1
    with served.client() as client:
        assert not [row for row in client.history("model:credit").value["rows"] if "never" in row["what"]]


def test_refusals_are_errors_of_their_own(client: LineageClient, served: Served) -> None:
    with pytest.raises(UnknownNameError, match="nobody"):
        client.history("model:nobody")
    with pytest.raises(BadRequestError) as caught:
        client.live(as_of="yesterday")
    assert caught.value.field == "as_of"
    with served.client("lin_000000000000_" + "x" * 43) as stranger, pytest.raises(NobodyError):
        stranger.live()
    with served.client(served.source) as source, pytest.raises(RefusedError, match="person"):
        source.live()


def test_a_name_with_two_meanings_lists_them(client: LineageClient, served: Served) -> None:
    other = fact("model_version.registered", "2026-05-03T00:00:00Z", version("1") | {"model": "model:other::twin"})
    same = fact("model_version.registered", "2026-05-03T00:00:00Z", version("1") | {"model": "model:mlflow-prod::twin"})
    with served.client(served.source) as source:
        source.record_events([other, same])
    with pytest.raises(UnknownNameError) as caught:
        client.history("model:twin")
    assert caught.value.candidates == ["model:mlflow-prod::twin", "model:other::twin"]


def test_a_saved_proof_holds_without_the_service(client: LineageClient, served: Served, tmp_path: Path) -> None:
    answer = client.deployments("credit")
    saved = json.loads(answer.save_proof(tmp_path / "proof.json").read_text())
    assert saved["answer"] == answer.raw
    key = parse_vkey(served.installation.log_vkey)
    head = open_checkpoint(saved["checkpoint"].encode(), served.installation.origin, [key])
    assert [one["seq"] for one in saved["proofs"]] == [one["seq"] for one in answer.evidence]
    assert saved["records"]
    for proof, record, cited in zip(saved["proofs"], saved["records"], answer.evidence, strict=True):
        leaf = leaf_hash(record["body"].encode())
        assert leaf.hex() == record["hash"] == cited["hash"]
        path = [bytes.fromhex(one) for one in proof["proof"]]
        verify_inclusion(proof["seq"], head.size, leaf, path, head.root)


def test_a_proof_for_somebody_who_may_not_read_records_says_that_they_are_withheld(
    client: LineageClient, served: Served, tmp_path: Path
) -> None:
    token = client.request("POST", "/tokens", json={"person": "rita", "roles": ["reader"]})["token"]
    with served.client(token) as reader:
        saved = json.loads(reader.live(as_of="2026-03-03").save_proof(tmp_path / "p.json").read_text())
    assert saved["proofs"]
    assert all("auditor" in record["withheld"] and "body" not in record for record in saved["records"])


def test_a_frame_has_flat_columns_and_real_times(client: LineageClient) -> None:
    frame = client.deployments("credit", stage="Production").to_frame()
    row = frame.iloc[0]
    assert row["deployed_by.assurance"] == "authenticated"
    assert str(row["from"]) == "2026-03-02 09:00:00.250000+00:00"
    edges = client.provenance(CREDIT).to_frame("edges")
    assert set(edges["type"]) == {"PRODUCED_BY", "USED", "BUILT_FROM"}
    with pytest.raises(ValueError, match="rows"):
        client.live().to_frame("people")


def test_an_empty_answer_is_an_empty_frame(client: LineageClient) -> None:
    assert len(client.live(as_of="2020-01-01").to_frame()) == 0


def test_without_pandas_the_error_names_the_package(client: LineageClient, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = client.live()
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(AbsentPackageError, match="pip install pandas"):
        answer.to_frame()


def test_a_notebook_shows_a_table_with_times_and_gaps_and_no_markup_of_others(client: LineageClient) -> None:
    shown = client.deployments("credit", stage="Production")._repr_html_()
    assert "<table>" in shown
    assert "AUC &lt;b&gt;up&lt;/b&gt;" in shown
    assert "<b>" not in shown
    assert "What was true at" in shown
    assert "recorded late" in shown


# ----------------------------------------------------------------------------------------- answers made for the test

ROOT_A, ROOT_B = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


def note(size: int, root: str = ROOT_A) -> str:
    return f"log.test\n{size}\n{root}\n\n— log.test AAAA\n"


def answer(checkpoint: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "question": "live",
        "parameters": {},
        "as_of": "2026-01-01T00:00:00.000000Z",
        "known_at": {"seq": 3, "time": "2026-01-01T00:00:00.000000Z"},
        "complete": False,
        "coverage": [],
        "gaps": [],
        "value": {"rows": []},
        "evidence": [],
        "checkpoint": checkpoint,
        **more,
    }


class Scripted:
    """Gives prepared replies, the last one for ever, and keeps the requests."""

    def __init__(self, *replies: Mapping[str, Any] | httpx.Response) -> None:
        self.replies = list(replies)
        self.seen: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return reply if isinstance(reply, httpx.Response) else httpx.Response(200, json=reply)


def scripted(*replies: Mapping[str, Any] | httpx.Response) -> tuple[LineageClient, Scripted]:
    script = Scripted(*replies)
    return LineageClient("http://log.test", "lin_x", transport=httpx.MockTransport(script)), script


def test_the_newest_checkpoint_is_sent_back_in_hex() -> None:
    client, script = scripted(answer(note(5)), answer(note(7, ROOT_B)), answer(note(6)))
    for _ in range(4):
        client.live()
    sent = [request.headers.get("If-Checkpoint") for request in script.seen]
    newest = f"7 01{'00' * 31}"
    assert sent == [None, f"5 {'00' * 32}", newest, newest]
    assert client.newest_checkpoint == read_note(note(7, ROOT_B))


def test_two_heads_of_one_size_are_a_rollback() -> None:
    client, _ = scripted(answer(note(5)), answer(note(5, ROOT_B)))
    client.live()
    with pytest.raises(RolledBackError, match="two heads of 5 records"):
        client.live()


def test_a_rollback_that_the_service_admits_is_told_of_the_graph() -> None:
    problem = {"type": "urn:problem-type:lineage:rolled-back", "title": "t", "detail": "you saw 9, the log has 4."}
    client, _ = scripted(httpx.Response(409, json=problem))
    with pytest.raises(RolledBackError, match=r"the graph was rolled back: you saw 9, the log has 4\. Nodes and edges"):
        client.record_events([{}])


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"complete": "yes"}, "complete is not of type bool"),
        ({"known_at": {"seq": 3}}, "known_at.time is missing"),
        ({"gaps": [{"kind": "late", "subject": "x"}]}, r"gaps\[0\].detail is missing"),
        ({"value": {"rows": [{"model": "m"}]}}, r"value.rows\[0\]"),
        ({"evidence": [{"seq": True, "hash": ""}]}, r"evidence\[0\].seq is not of type int"),
        ({"value": None}, "value is not of type dict"),
    ],
)
def test_an_answer_of_another_shape_is_refused_by_its_path(change: dict[str, Any], path: str) -> None:
    client, _ = scripted(answer(**change))
    with pytest.raises(AnswerError, match=path):
        client.live()


def test_what_a_later_service_adds_is_no_fault() -> None:
    later = [{"kind": "weather", "subject": "x", "detail": "y", "more": 1}]
    client, _ = scripted(answer(gaps=later, mood="good"))
    assert client.live().gaps == later
    assert "weather" in " ".join(client.live().footer())


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (httpx.Response(200, text="<html>hello</html>"), AnswerError),
        (httpx.Response(200, json=[1]), AnswerError),
        (httpx.Response(404, text="not here"), AnswerError),
        (httpx.Response(502, text="bad gateway"), UnavailableError),
        (httpx.Response(503, json={"title": "t", "detail": "later"}, headers={"Retry-After": "7"}), UnavailableError),
    ],
)
def test_whoever_answers_otherwise_is_not_the_service(reply: httpx.Response, kind: type[ClientError]) -> None:
    client, _ = scripted(reply)
    with pytest.raises(kind) as caught:
        client.live()
    if isinstance(caught.value, UnavailableError):
        assert caught.value.retry_after == (7.0 if "Retry-After" in reply.headers else 0.0)


@pytest.mark.parametrize(
    "url", [f"http://127.0.0.1:{free_port()}", "http://[::1", "nonsense"], ids=["down", "broken", "nonsense"]
)
def test_an_address_where_nobody_answers_is_named(url: str) -> None:
    with LineageClient(url, "lin_x") as client, pytest.raises(UnavailableError, match=url.replace("[", r"\[")):
        client.live()


def test_address_and_token_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINEAGE_URL", "http://log.test/")
    monkeypatch.setenv("LINEAGE_TOKEN", "lin_env")
    script = Scripted(answer())
    LineageClient(transport=httpx.MockTransport(script)).live()
    assert str(script.seen[0].url) == "http://log.test/api/v1/live"
    assert script.seen[0].headers["Authorization"] == "Bearer lin_env"


def test_a_token_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("lin_one\n")
    credential = Credential(file=file)
    assert credential.read() == "lin_one"
    file.write_text("lin_second\n")
    assert credential.read() == "lin_second"
    file.unlink()
    with pytest.raises(CredentialError, match="cannot be read"):
        credential.read()


@pytest.mark.parametrize("text", ["", "lin\nX-Evil: 1", "lin ü", "two words"])
def test_a_token_that_is_none_never_reaches_a_header(text: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(CredentialError) as caught:
        Credential(file=file).read()
    assert "Evil" not in str(caught.value)


def test_no_token_or_two_say_how_there_can_be_one() -> None:
    with pytest.raises(CredentialError, match="set LINEAGE_TOKEN"):
        Credential.from_environment({}).read()
    with pytest.raises(CredentialError, match="not both"):
        Credential.from_environment({"LINEAGE_TOKEN": "x", "LINEAGE_TOKEN_FILE": "y"})


def test_the_token_stands_in_no_repr(client: LineageClient, served: Served) -> None:
    assert served.admin not in repr(client)
    assert served.admin not in repr(client.live())


@pytest.mark.parametrize(
    ("kind", "roles", "up", "down"),
    [
        ("USED", ["training"], "trained on", "was used to train"),
        ("USED", ["unknown"], "used", "was used by"),
        ("USED", ["test", "unknown"], "tested on", "was used to test"),
        ("USED", ["test"], "tested on", "was used to test"),
        ("USED", ["training", "scoring"], "trained on and scored", "was used to train and be scored by"),
        ("PRODUCED_BY", [], "produced by", "produced"),
        ("COLUMN_FROM", ["direct"], "computed from", "feeds"),
        ("COLUMN_FROM", ["indirect"], "decided by", "decides about"),
        ("COLUMN_FROM", ["direct", "indirect"], "computed from and decided by", "feeds and decides about"),
        ("COLUMN_FROM", ["unknown"], "computed from", "feeds"),
        ("LATER_EDGE", [], "later edge", "later edge"),
    ],
)
def test_an_edge_is_a_verb_and_trained_on_is_said_only_of_what_was_stated(
    kind: str, roles: list[str], up: str, down: str
) -> None:
    assert (words.edge(kind, roles), words.edge(kind, roles, down=True)) == (up, down)


def test_many_gaps_of_one_kind_are_one_line_that_counts_them() -> None:
    many: Any = [{"kind": "late", "subject": f"record {n}", "detail": "later"} for n in range(9)]
    assert words.gaps(many) == ["  recorded late, 9 times: record 0, record 1, record 2 and 6 more (later)"]


def test_the_public_names_are_these() -> None:
    assert sorted(package.__all__) == sorted(name for name in package.__all__ if hasattr(package, name))
    assert {"LineageClient", "Result", "Receipt", "ClientError", "RolledBackError"} <= set(package.__all__)
