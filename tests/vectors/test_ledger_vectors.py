"""The published vectors of the ledger: data that any implementation, in any language, can be held against."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lineage_service.ledger.checkpoint import open_checkpoint
from lineage_service.ledger.errors import NoteError, ProofError, TileError
from lineage_service.ledger.merkle import (
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from lineage_service.ledger.note import make_vkey, open_note, parse_vkey
from lineage_service.ledger.tiles import parse_tile_path, tile_path, tile_width

FOLDER = Path(__file__).parent / "ledger"
Vector = dict[str, Any]


def vectors(name: str, kind: str | None = None) -> list[Any]:
    found = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))["vectors"]
    return [pytest.param(each, id=each["id"]) for each in found if kind in (None, each["input"].get("kind"))]


def unhex(hashes: list[str]) -> list[bytes]:
    return [bytes.fromhex(digest) for digest in hashes]


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.json")))
def test_vectors_have_the_house_form_and_unique_ids(name: str) -> None:
    found = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))["vectors"]
    assert all(set(each) == {"id", "comment", "flags", "input", "expected"} for each in found)
    assert len({each["id"] for each in found}) == len(found) > 0


@pytest.mark.parametrize("vector", vectors("merkle", "root"))
def test_root_over_records_is_the_known_answer(vector: Vector) -> None:
    leaves = [leaf_hash(data) for data in unhex(vector["input"]["leaves"])]
    assert Frontier().extend(leaves).root().hex() == vector["expected"]["root"]


@pytest.mark.parametrize("vector", vectors("merkle", "inclusion"))
def test_inclusion_proof_is_believed_or_refused(vector: Vector) -> None:
    given = vector["input"]
    leaf, root = unhex([given["leaf_hash"], given["root"]])
    check = partial(verify_inclusion, given["index"], given["size"], leaf, unhex(given["proof"]), root)
    if vector["expected"]["valid"]:
        check()
    else:
        with pytest.raises(ProofError):
            check()


@pytest.mark.parametrize("vector", vectors("merkle", "consistency"))
def test_consistency_proof_is_believed_or_refused(vector: Vector) -> None:
    given = vector["input"]
    old, new = unhex([given["old_root"], given["new_root"]])
    check = partial(verify_consistency, given["old_size"], given["new_size"], unhex(given["proof"]), old, new)
    if vector["expected"]["valid"]:
        check()
    else:
        with pytest.raises(ProofError):
            check()


def known_leaves() -> list[bytes]:
    (largest,) = (each.values[0] for each in vectors("merkle", "root") if each.id == "root-8")
    return [leaf_hash(data) for data in unhex(largest["input"]["leaves"])]


def known_subtree(level: int, n: int) -> bytes:
    return Frontier().extend(known_leaves()[n << level : (n + 1) << level]).root()


def valid(name: str, kind: str) -> list[Any]:
    return [each for each in vectors(name, kind) if each.values[0]["expected"]["valid"]]


@pytest.mark.parametrize("vector", valid("merkle", "inclusion"))
def test_published_inclusion_proof_is_the_one_we_make(vector: Vector) -> None:
    given = vector["input"]
    assert inclusion_proof(given["index"], given["size"], known_subtree) == unhex(given["proof"])


@pytest.mark.parametrize("vector", valid("merkle", "consistency"))
def test_published_consistency_proof_is_the_one_we_make(vector: Vector) -> None:
    given = vector["input"]
    assert consistency_proof(given["old_size"], given["new_size"], known_subtree) == unhex(given["proof"])


def note_bytes(given: Vector) -> bytes:
    return bytes.fromhex(given["note_hex"]) if "note_hex" in given else str(given["note"]).encode()


@pytest.mark.parametrize("vector", vectors("notes"))
def test_note_is_opened_or_refused(vector: Vector) -> None:
    expected = vector["expected"]
    raw, keys = note_bytes(vector["input"]), [parse_vkey(vkey) for vkey in vector["input"]["vkeys"]]
    if not expected["valid"]:
        with pytest.raises(NoteError):
            open_note(raw, keys)
        return
    opened = open_note(raw, keys)
    assert opened.text == expected["text"]
    assert {make_vkey(key.name, key.alg, key.public): at for key, at in opened.verified.items()} == expected["verified"]


@pytest.mark.parametrize("vector", vectors("vkeys"))
def test_verifier_key_is_read_or_refused(vector: Vector) -> None:
    expected, vkey = vector["expected"], vector["input"]["vkey"]
    if not expected.pop("valid"):
        with pytest.raises(NoteError):
            parse_vkey(vkey)
        return
    key = parse_vkey(vkey)
    assert expected == {"name": key.name, "key_id": key.key_id.hex(), "alg": key.alg, "public": key.public.hex()}
    assert make_vkey(key.name, key.alg, key.public) == vkey


@pytest.mark.parametrize("vector", vectors("checkpoints"))
def test_checkpoint_is_opened_or_refused(vector: Vector) -> None:
    given, expected = vector["input"], vector["expected"]
    raw, keys = note_bytes(given), [parse_vkey(vkey) for vkey in given["log_vkeys"]]
    if not expected.pop("valid"):
        with pytest.raises(NoteError):
            open_checkpoint(raw, given["origin"], keys)
        return
    head = open_checkpoint(raw, given["origin"], keys)
    assert expected == {"size": head.size, "root": head.root.hex(), "extensions": list(head.extensions)}
    assert head.origin == given["origin"]


@pytest.mark.parametrize("vector", vectors("tiles", "path"))
def test_tile_path_is_read_or_refused(vector: Vector) -> None:
    expected, path = vector["expected"], vector["input"]["path"]
    if not expected.pop("valid"):
        with pytest.raises(TileError):
            parse_tile_path(path)
        return
    name = parse_tile_path(path)
    assert expected == {"level": name.level, "n": name.n, "width": name.width}
    assert tile_path(name.level, name.n, name.width) == path


@pytest.mark.parametrize("vector", vectors("tiles", "widths"))
def test_tiles_are_as_wide_as_the_tree_fills_them(vector: Vector) -> None:
    size = vector["input"]["size"]
    for level, n, width in vector["expected"]["tiles"]:
        assert tile_width(level, n, size) == width
