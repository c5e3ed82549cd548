"""What the ledger shows is enough to check it without trusting it."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from lineage_service.ledger.checkpoint import Checkpoint, open_checkpoint
from lineage_service.ledger.merkle import leaf_hash, verify_consistency, verify_inclusion
from lineage_service.ledger.note import parse_vkey
from lineage_service.ledger.tlog_proof import read_tlog_proof
from tests.service import Service, make_service, stage

COUNT = 300


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a service whose tree has one complete tile and more."""
    with make_service(tmp_path_factory.mktemp("ledger")) as made:
        token = made.source_token("mlflow")
        made.send(*[stage(str(number)) for number in range(COUNT)], token=token)
        made.clock.advance(60)
        made.send(stage("last"), token=token)
        yield made


def head(service: Service) -> Checkpoint:
    keys = {key["purpose"]: key["vkey"] for key in service.get("/api/v1/keys").json()["keys"]}
    note = service.get("/api/v1/checkpoint")
    assert note.headers["content-type"].startswith("text/plain")
    return open_checkpoint(note.content, service.installation.origin, [parse_vkey(keys["log"])])


def hashes(texts: list[str]) -> list[bytes]:
    return [bytes.fromhex(text) for text in texts]


@pytest.mark.parametrize("seq", [0, 1, 255, 256, COUNT])
def test_a_proof_leads_from_the_exact_bytes_to_the_signed_root(service: Service, seq: int) -> None:
    signed = head(service)
    record = service.get(f"/api/v1/records/{seq}")
    proof = service.get(f"/api/v1/proof?seq={seq}").json()
    assert record.headers["Lineage-Leaf-Hash"] == leaf_hash(record.content).hex() == proof["leaf"]
    assert (proof["size"], proof["root"]) == (signed.size, signed.root.hex())
    verify_inclusion(seq, signed.size, leaf_hash(record.content), hashes(proof["proof"]), signed.root)


def test_a_proof_travels_as_a_tlog_proof(service: Service) -> None:
    text = service.get("/api/v1/proof?seq=7", Accept="text/plain").text
    index, path, note = read_tlog_proof(text)
    signed = Checkpoint.parse(note[: note.index("\n\n") + 1])
    assert note == service.get("/api/v1/checkpoint").text
    verify_inclusion(index, signed.size, leaf_hash(service.get("/api/v1/records/7").content), path, signed.root)


def test_a_tlog_proof_is_not_made_for_a_size_nobody_signed(service: Service) -> None:
    reply = service.get("/api/v1/proof?seq=1&size=9", Accept="text/plain")
    assert (reply.status_code, reply.json()["field"]) == (422, "size")
    assert service.get("/api/v1/proof?seq=1&size=9").json()["checkpoint"] is None


@pytest.mark.parametrize(("older", "newer"), [(0, 5), (1, 256), (7, 256), (256, COUNT), (COUNT, COUNT)])
def test_an_older_tree_is_proven_to_begin_the_newer(service: Service, older: int, newer: int) -> None:
    found = service.get(f"/api/v1/consistency?from={older}&to={newer}").json()
    roots = hashes([found["root_from"], found["root_to"]])
    verify_consistency(older, newer, hashes(found["proof"]), *roots)
    assert service.get(f"/api/v1/proof?seq=0&size={newer}").json()["root"] == found["root_to"]


def test_tiles_hold_the_leaf_hashes(service: Service) -> None:
    records = [service.get(f"/api/v1/records/{seq}").headers["Lineage-Leaf-Hash"] for seq in (0, 255, 256)]
    full, partial = service.get("/api/v1/tile/0/000"), service.get("/api/v1/tile/0/001.p/5")
    assert [full.content[:32].hex(), full.content[-32:].hex(), partial.content[:32].hex()] == records
    assert (len(full.content), len(partial.content)) == (256 * 32, 5 * 32)
    assert "immutable" in full.headers["Cache-Control"]
    assert "immutable" not in partial.headers["Cache-Control"]
    assert (
        service.get("/api/v1/tile/1/000.p/1").content.hex()
        == service.get("/api/v1/proof?seq=0&size=256").json()["root"]
    )


def test_a_record_is_found_by_number_and_by_id_and_need_not_be_fetched_twice(service: Service) -> None:
    by_number = service.get("/api/v1/records/9")
    by_id = service.get(f"/api/v1/records/{by_number.json()['id']}")
    assert by_id.content == by_number.content
    again = service.get("/api/v1/records/9", **{"If-None-Match": by_number.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def pages(service: Service, query: str) -> Iterator[list[dict[str, Any]]]:
    page = service.get(f"/api/v1/records?{query}").json()
    yield page["records"]
    while page["next"] is not None:
        page = service.get(f"/api/v1/records?{query}&after={page['next']}").json()
        yield page["records"]


def test_pages_follow_each_other_without_a_hole(service: Service) -> None:
    found = [line for page in pages(service, "limit=64") for line in page]
    assert [line["seq"] for line in found] == list(range(service.size))
    assert all(newer["record"]["prev"] == older["hash"] for older, newer in pairwise(found))


def test_records_are_chosen_by_range_type_actor_and_time(service: Service) -> None:
    last = service.size - 1
    moved = service.records("stage.transitioned")[0]

    def seqs(query: str) -> list[int]:
        return [line["seq"] for page in pages(service, query) for line in page]

    assert seqs("from=3&to=6") == [3, 4, 5]
    assert seqs("from=2026-11-22T10:01:00Z") == [last]
    assert seqs("to=2026-11-22T10:01:00Z&limit=1000")[-1] == last - 1
    assert seqs("from=2026-11-23") == []
    assert len(seqs("from=2026-11-22&tz=Europe/Zurich&limit=1000")) == last + 1
    assert seqs("type=source.registered") == [4]
    assert len(seqs(f"actor={moved['actor']['id']}&limit=1000")) == COUNT + 1
    assert seqs(f"actor=person:{moved['actor']['id']}&type=token.issued") == []


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("records/99999", 404, None),
        ("records/" + "0" * 32, 404, None),
        ("records/first", 404, None),
        ("records/-1", 404, None),
        ("records?from=yesterday", 422, "from"),
        ("records?limit=0", 422, "limit"),
        ("records?limit=1001", 422, "limit"),
        ("proof?seq=99999", 404, None),
        ("proof?seq=1&size=99999", 404, None),
        ("proof?seq=5&size=5", 404, None),
        ("proof", 422, "seq"),
        ("proof?seq=x", 422, "seq"),
        ("consistency?from=5&to=3", 422, "from"),
        ("consistency?from=5&to=99999", 404, None),
        ("tile/0/999", 404, None),
        ("tile/0/001", 404, None),
        ("tile/0/1", 404, None),
        ("tile/0/000.p/256", 404, None),
        ("tile/64/000", 404, None),
        ("tile/0/%2e%2e/%2e%2e/keys", 404, None),
    ],
)
def test_what_is_not_there_is_said(service: Service, path: str, status: int, field: str | None) -> None:
    reply = service.get(f"/api/v1/{path}")
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json().get("field") == field
