"""The bytes of a small ledger are what they always were, and a verifier without our writer accepts exactly these."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from graph_schema import canonical
from lineage_service.ledger.checkpoint import open_checkpoint
from lineage_service.ledger.merkle import Frontier, leaf_hash
from lineage_service.ledger.note import parse_vkey
from tests.vectors import write_chain

VECTOR: dict[str, Any] = json.loads(Path(write_chain.TARGET).read_text(encoding="utf-8"))


def test_the_writer_still_writes_these_very_bytes() -> None:
    assert write_chain.write() == VECTOR


@pytest.mark.parametrize("record", VECTOR["records"], ids=lambda record: str(record["seq"]))
def test_a_leaf_is_the_hash_of_the_canonical_bytes(record: dict[str, Any]) -> None:
    body = record["body"].encode()
    assert canonical.encode(canonical.decode(body)) == body
    assert leaf_hash(body).hex() == record["leaf"] == hashlib.sha256(b"\x00" + body).hexdigest()


def test_each_record_names_the_leaf_before_it() -> None:
    leaves = ["0" * 64, *(record["leaf"] for record in VECTOR["records"])]
    bodies = [json.loads(record["body"]) for record in VECTOR["records"]]
    assert [body["prev"] for body in bodies] == leaves[:-1]
    assert [body["seq"] for body in bodies] == list(range(len(bodies)))


def test_the_roots_of_every_size_and_the_signed_head_are_those_of_the_leaves() -> None:
    frontier = Frontier()
    for record in VECTOR["records"]:
        frontier = frontier.extend([bytes.fromhex(record["leaf"])])
        assert frontier.root().hex() == VECTOR["roots"][str(frontier.size)]
    checkpoint = open_checkpoint(VECTOR["note"].encode(), VECTOR["origin"], [parse_vkey(VECTOR["vkey"])])
    assert (checkpoint.size, checkpoint.root) == (frontier.size, frontier.root())


def test_no_personal_value_stands_in_a_record() -> None:
    written = "".join(record["body"] for record in VECTOR["records"])
    assert not [word for word in ("dana", "omar", "Dana D", "better", "private", "nightly") if word in written]
