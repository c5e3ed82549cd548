"""What becomes of a fact before any lock is taken: sealed, capped, bounded, and the same for everybody."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from graph_schema import canonical, names
from graph_schema.events import PersonRef
from lineage_service.errors import InputError
from lineage_service.ledger import sealing
from lineage_service.recorder.installation import Installation, Places, create
from lineage_service.recorder.payloads import unpack_payload
from lineage_service.recorder.preparation import Incoming, Prepared, Sender
from tests.unit.recorder.facts import DEPLOYER, MLFLOW, MODEL, Clock, bodies, event, move, prepare, record

few = settings(max_examples=40)  # each commits a new person or two to a real vault
MARK = "¤personal¤"
"""Stands in every personal value below and in no other text."""

secret = st.text(min_size=3, max_size=30).map(lambda text: MARK + text)
person = st.fixed_dictionaries({"issuer": secret, "subject": secret}, optional={"name": secret, "email": secret})
pairs = st.lists(st.tuples(secret, secret).map(list), max_size=3)
actor = st.fixed_dictionaries(
    {"issuer": secret, "subject": secret, "assurance": st.sampled_from(["authenticated", "claimed"])},
    optional={
        "kind": st.sampled_from(["person", "service_account"]),
        "via": st.just("basic-auth"),
        "on_behalf_of": st.fixed_dictionaries({"issuer": secret, "subject": secret}, optional={"via": st.just("ci")}),
    },
)
claims = st.tuples(
    st.fixed_dictionaries({"means": st.just("approver"), "name": st.just("approved_by"), "hidden": secret})
).map(list)
LOGGED = names.logged_model("prod", "m-1")
_DATED = {"model": st.just(MODEL), "version": st.just("3"), "created_ms": st.just(1)}
bodies_of: dict[str, dict[str, Any]] = {
    "stage.transitioned": {**_DATED, "to": st.just("Production"), "reason": secret},
    "model_version.registered": {**_DATED, "description": secret, "tags": pairs, "claims": claims},
    "model.declared": {"model": st.just(MODEL), "description": secret, "tags": pairs},
    "tag.set": {"node": st.just(MODEL), "name": st.just("owner"), "hidden": secret, "claims": claims},
    "run.observed": {
        "run": st.just("r1"),
        "name": secret,
        "params": pairs,
        "tags": pairs,
        "error": secret,
        "claims": claims,
    },
    "logged_model.observed": {"logged_model": st.just(LOGGED), "name": secret, "params": pairs, "tags": pairs},
    "description.changed": {"node": st.just(MODEL), "description": secret},
    "permission.observed": {"person": person, "system": st.just("mlflow:prod"), "resource": st.just("account")},
    "dataset.declared": {"namespace": st.just("s3://b"), "name": st.just("n"), "description": secret, "tags": pairs},
    "person.declared": {"person": person},
    "identity.linked": {"person": person, "same_as": person, "reason": secret},
    "commit.observed": {
        "repository": st.just("https://git.example/x"),
        "sha": st.just("a" * 40),
        "author": person,
        "committer": person,
    },
    "attempt.denied": {"action": st.just("x"), "status": st.just(403), "detail": secret},
    "attempt.unresolved": {"action": st.just("x"), "reason": st.just("the process ended"), "detail": secret},
    "collector.reported": {
        "covered_from": st.just("2026-01-01T00:00:00Z"),
        "covered_to": st.just("2026-01-02T00:00:00Z"),
        "problem": secret,
    },
}


@st.composite
def personal_events(draw: st.DrawFn) -> Any:
    """Draw an event in which every personal field that it has is set and marked."""
    word = draw(st.sampled_from(sorted(bodies_of)))
    return event(word, draw(st.fixed_dictionaries(bodies_of[word])), actor=draw(actor))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Give one installation to all examples of this file."""
    folder = tmp_path_factory.mktemp("house")
    created = create(Places(folder / "lineage.db", folder / "keys"), origin="test.example/log", clock=Clock())
    yield created
    created.close()


def texts_in(value: Any) -> Iterator[str]:
    """Yield every text of a value, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from texts_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts_in(item)


def bound_to(installation: Installation, prepared: Prepared, digest: str) -> bytes:
    """Return what a sealed value is bound to."""
    return f"{installation.origin}|{prepared.id}|{digest}".encode()


def disclosed(installation: Installation, prepared: Prepared) -> list[tuple[str, Any]]:
    """Open every sealed value of a record as whoever holds the keys can."""
    keyring, opened = installation.secrets.keyring, []
    keys = installation.store.vault().subject_keys([row.subject for row in prepared.sealed])
    for row in prepared.sealed:
        key = keyring.unwrap(row.key if row.key is not None else keys[row.subject])
        value = keyring.open(key, row.ciphertext, bound_to(installation, prepared, row.digest))
        assert sealing.digest_of(value) == row.digest
        opened.append(sealing.disclosed(value))
    return opened


@few
@given(one=personal_events())
def test_no_personal_value_stands_in_a_record(house: Installation, one: Any) -> None:
    (prepared,) = prepare(house, one)
    data = canonical.encode(prepared.template)
    assert MARK.encode() not in data
    assert [text for text in texts_in(orjson.loads(data)) if MARK in text] == []


@few
@given(one=personal_events())
def test_no_personal_value_reaches_the_graph(house: Installation, one: Any) -> None:
    (prepared,) = prepare(house, one)
    changes = prepared.changes
    reached = [changes.nodes, changes.properties, list(changes.edges), changes.points, [changes.source, changes.actor]]
    assert [text for text in texts_in(reached) if MARK in text] == []


@few
@given(one=personal_events())
def test_no_personal_value_is_kept_in_clear(house: Installation, one: Any) -> None:
    (prepared,) = prepare(house, one)
    kept = [part for row in prepared.sealed for part in (row.ciphertext, row.key or b"", row.subject.encode())]
    assert [part for part in kept if MARK.encode() in part] == []


@few
@given(one=personal_events())
def test_every_sealed_value_opens_for_whoever_holds_the_keys(house: Installation, one: Any) -> None:
    (prepared,) = prepare(house, one)
    opened = disclosed(house, prepared)
    assert prepared.template.get("sd", []) == [row.digest for row in prepared.sealed]
    personal = sorted(text for text in texts_in(_without_identities(one.body)) if MARK in text)
    assert sorted(text for _, value in opened for text in texts_in(value)) == personal


def _without_identities(body: Any) -> Any:
    """Return a body without issuers and subjects: they become pseudonyms and are sealed nowhere in the record."""
    if isinstance(body, PersonRef):
        return {"name": body.name, "email": body.email}
    if isinstance(body, list):
        return [_without_identities(part) for part in body]
    return {name: _without_identities(part) for name, part in body} if isinstance(body, BaseModel) else body


@few
@given(one=personal_events())
def test_sealing_twice_gives_other_digests_and_the_same_id(house: Installation, one: Any) -> None:
    first, second = prepare(house, one)[0], prepare(house, one)[0]
    assert first.id == second.id
    assert {row.digest for row in first.sealed}.isdisjoint(row.digest for row in second.sealed)


def test_one_person_has_one_pseudonym_everywhere(installation: Installation) -> None:
    ben = {"issuer": "github", "subject": "deployer1", "assurance": "claimed"}
    bot = {**DEPLOYER, "kind": "service_account"}
    helped = {**ben, "on_behalf_of": {"issuer": "mlflow:prod", "subject": "deployer1"}}
    record(installation, move(1), move(2), move(3, actor=ben), move(4, actor=bot), move(5, actor=helped))
    anna, again, other, account, behalf = (body["actor"] for body in bodies(installation)[1:])
    assert anna["id"] == again["id"] == behalf["on_behalf_of"]["id"]
    assert len({anna["id"], other["id"], account["id"]}) == 3
    assert [actor["id"][:2] for actor in (anna, other, account)] == ["p_", "p_", "s_"]


def test_a_pseudonym_says_nothing_of_who_it_is(places: Places, clock: Clock, installation: Installation) -> None:
    elsewhere = Places(places.file.with_name("other.db"), places.keys.with_name("other keys"))
    other = create(elsewhere, origin="test.example/log", clock=clock)
    ids = {prepare(house, move(1))[0].template["actor"]["id"] for house in (installation, other)}
    assert len(ids) == 2
    other.close()


@pytest.mark.parametrize(
    ("cap", "claimed", "recorded"),
    [
        ("authenticated", "authenticated", "authenticated"),
        ("authenticated", "claimed", "claimed"),
        ("claimed", "authenticated", "claimed"),
        ("claimed", "claimed", "claimed"),
        ("observed", "authenticated", "observed"),
        ("observed", "claimed", "observed"),
    ],
)
def test_assurance_is_capped_by_what_the_sender_may_claim(
    installation: Installation, cap: str, claimed: str, recorded: str
) -> None:
    fact = move(1, actor={**DEPLOYER, "assurance": claimed})
    (prepared,) = prepare(installation, fact, sender=Sender("mlflow", "prod", cap))
    assert prepared.template["actor"]["assurance"] == recorded


def test_an_actor_nobody_vouches_for_is_not_named(installation: Installation) -> None:
    (prepared,) = prepare(installation, move(1), sender=Sender("mlflow", "prod", "observed"))
    assert "id" not in prepared.template["actor"]
    assert prepared.changes.actor is None


def test_a_source_that_calls_itself_the_system_vouches_for_nobody(installation: Installation) -> None:
    (prepared,) = prepare(installation, move(1, actor={"assurance": "system"}))
    assert prepared.template["actor"] == {"assurance": "observed"}


def test_who_stands_behind_a_machine_is_never_more_than_claimed(installation: Installation) -> None:
    behalf = {"issuer": "github", "subject": "anna", "via": "actions", "ref": "https://ci.example/1"}
    (prepared,) = prepare(installation, move(1, actor={**DEPLOYER, "on_behalf_of": behalf}))
    human = prepared.template["actor"]["on_behalf_of"]
    assert (human["assurance"], human["via"], human["ref"]) == ("claimed", "actions", "https://ci.example/1")


def test_the_source_is_the_senders_whatever_the_fact_claims(installation: Installation) -> None:
    (prepared,) = prepare(installation, move(1, source={"order": 4, "event_id": "e", "ref": "r"}))
    expected = {"kind": "mlflow", "instance": "prod", "order": 4, "event_id": "e", "ref": "r"}
    assert prepared.template["source"] == expected
    assert prepared.changes.source == MLFLOW.key


def test_a_record_too_large_is_refused_with_its_whole_request(installation: Installation) -> None:
    inputs = [{"namespace": "s3://bucket", "name": f"{number:0100d}"} for number in range(400)]
    large = event("run.observed", {"run": "r1", "inputs": inputs})
    with pytest.raises(InputError, match="send the fact in several parts") as caught:
        record(installation, move(1), large, move(2))
    assert (caught.value.index, caught.value.field) == (1, "body")
    assert len(bodies(installation)) == 1
    assert [receipt.seq for receipt in record(installation, move(1), move(2)).receipts] == [1, 2]


def test_the_largest_record_that_is_taken_can_be_written(installation: Installation) -> None:
    taken = 0
    for count in range(32_000, 32_400, 40):
        fact = event("run.observed", {"run": "r1", "metrics": [{"key": "k" * 1000, "value": "1"}] * 30, "error": "x"})
        body = fact.body.model_copy(update={"experiment": "e" * (count - 31_200)})
        try:
            record(installation, fact.model_copy(update={"body": body}), ack="committed")
            taken += 1
        except InputError:
            break
    with installation.store.read() as reader:
        sizes = [len(stored.body) for seq in range(1, 1 + taken) if (stored := reader.record(seq))]
    assert sizes == sorted(sizes)
    assert sizes[-1] > 32_000


def test_a_fact_the_language_has_no_edge_for_is_refused_by_its_place(installation: Installation) -> None:
    body = {"model": MODEL, "to": "prompt:mlflow-prod::greet", "carried": [{"version": "1", "created_ms": 1}]}
    with pytest.raises(InputError, match="SAME_AS") as caught:
        prepare(installation, move(1), event("model.renamed", body))
    assert caught.value.index == 1


def test_raw_bytes_are_kept_once_for_all_facts_made_of_them(installation: Installation) -> None:
    raw = b'{"eventType":"COMPLETE"}' * 50
    prepared = installation.preparation.prepare([Incoming(move(n), MLFLOW, raw) for n in range(3)])
    installation.recorder.record(prepared)
    digests = {body["source"]["payload"] for body in bodies(installation)[1:]}
    assert len(digests) == 1
    with installation.store.read() as reader:
        (payload,) = reader.payloads(digests)
    assert payload.seq == 1
    assert payload.digest == sha256(payload.salt + raw).hexdigest()
    assert unpack_payload(payload, installation.secrets) == raw
    assert raw[:20] not in payload.ciphertext
