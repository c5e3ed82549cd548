"""Tiles give the same hashes as the leaves they were cut from, however few of them are stored."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineage_service.ledger.errors import TileError
from lineage_service.ledger.merkle import (
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_at,
    verify_consistency,
    verify_inclusion,
)
from lineage_service.ledger.tiles import TileReader, build_tile, complete_tiles, parse_tile_path, tile_path, tile_width

SIZE = 256 * 256 + 256 * 3 + 77  # a complete tile on level 1, a partial one on levels 0, 1 and 2
LEAVES = [leaf_hash(b"%d" % number) for number in range(SIZE)]


class Log:
    """Leaf hashes and the complete tiles kept for them, with a note of what was read."""

    def __init__(self, size: int = SIZE) -> None:
        self.size = size
        self.tiles: dict[tuple[int, int], bytes] = {}
        self.read: list[tuple[str, int, int]] = []

    def leaf_hashes(self, start: int, end: int) -> Sequence[bytes]:
        self.read.append(("leaves", start, end))
        return LEAVES[start : min(end, self.size)]

    def tile(self, level: int, n: int) -> bytes | None:
        self.read.append(("tile", level, n))
        return self.tiles.get((level, n))

    def reader(self) -> TileReader:
        return TileReader(self.leaf_hashes, self.tile)

    def keep(self, old: int, new: int) -> None:
        for level, n in complete_tiles(old, new):
            self.tiles[level, n] = build_tile(level, n, self.reader())


@pytest.fixture(scope="module")
def tiled() -> Log:
    log = Log()
    log.keep(0, SIZE)
    log.read.clear()
    return log


@pytest.fixture(scope="module")
def root() -> bytes:
    return Frontier().extend(LEAVES).root()


def test_root_is_the_same_with_tiles_and_without(tiled: Log, root: bytes) -> None:
    assert root_at(SIZE, tiled.reader().subtree) == root
    assert root_at(SIZE, Log().reader().subtree) == root


@settings(max_examples=50)
@given(st.integers(0, SIZE - 1))
def test_inclusion_proofs_out_of_tiles_hold(tiled: Log, root: bytes, index: int) -> None:
    verify_inclusion(index, SIZE, LEAVES[index], inclusion_proof(index, SIZE, tiled.reader().subtree), root)


@settings(max_examples=50)
@given(st.integers(0, SIZE))
def test_consistency_proofs_out_of_tiles_hold(tiled: Log, root: bytes, old: int) -> None:
    subtree = tiled.reader().subtree
    verify_consistency(old, SIZE, consistency_proof(old, SIZE, subtree), root_at(old, subtree), root)


@settings(max_examples=20)
@given(st.sets(st.integers(0, 258)))
def test_any_missing_tiles_are_made_up_from_below(tiled: Log, root: bytes, missing: set[int]) -> None:
    log = Log()
    log.tiles = {(level, n): tile for (level, n), tile in tiled.tiles.items() if level == 0 and n not in missing}
    assert root_at(SIZE, log.reader().subtree) == root


def test_a_proof_reads_each_tile_once(tiled: Log) -> None:
    tiled.read.clear()
    inclusion_proof(300, 256 * 256, tiled.reader().subtree)
    assert sorted(tiled.read) == [("tile", 0, 1), ("tile", 1, 0)]


def test_a_tile_that_becomes_complete_later_is_found(tiled: Log) -> None:
    log = Log(size=300)
    reader = log.reader()
    before = reader.subtree(7, 0)
    log.keep(0, 300)
    log.read.clear()
    assert reader.subtree(7, 0) == before
    assert log.read == [("tile", 0, 0)]
    assert log.tiles[0, 0] == tiled.tiles[0, 0]


def test_cached_tiles_are_bounded(tiled: Log) -> None:
    reader = tiled.reader()
    for n in range(200):
        reader.subtree(0, n * 256)
    assert len(reader._tiles) <= 64


@given(st.lists(st.integers(0, 70_000), min_size=2).map(sorted))
def test_growth_in_steps_completes_every_tile_once(steps: list[int]) -> None:
    found = [tile for old, new in pairwise(steps) for tile in complete_tiles(old, new)]
    assert sorted(found) == sorted(complete_tiles(steps[0], steps[-1]))
    assert len(set(found)) == len(found)


def test_lower_tiles_are_complete_before_the_ones_above() -> None:
    assert complete_tiles(65_535, 65_536) == [(0, 255), (1, 0)]


@given(st.integers(0, 2**63 - 1), st.integers(0, 7))
def test_a_tile_is_complete_exactly_when_it_is_256_wide(size: int, level: int) -> None:
    last = size >> (8 * (level + 1))
    assert tile_width(level, last, size) < 256
    assert tile_width(level, last + 1, size) == 0
    if last:
        assert tile_width(level, last - 1, size) == 256


def test_tile_holds_its_hashes_in_order(tiled: Log) -> None:
    assert build_tile(0, 1, tiled.reader()) == b"".join(LEAVES[256:512])
    assert build_tile(1, 0, tiled.reader())[32:64] == Frontier().extend(LEAVES[256:512]).root()


def test_partial_tile_is_the_beginning_of_the_complete_one(tiled: Log) -> None:
    width = tile_width(0, SIZE // 256, SIZE)
    assert build_tile(0, SIZE // 256, tiled.reader(), width) == b"".join(LEAVES[-77:])


def test_stored_tile_of_another_length_is_refused() -> None:
    log = Log()
    log.tiles[0, 0] = bytes(8191)
    with pytest.raises(TileError, match="8191 bytes"):
        log.reader().subtree(3, 0)


def test_leaves_that_the_log_does_not_hold_are_missed() -> None:
    with pytest.raises(TileError, match="does not hold"):
        Log(size=10).reader().subtree(3, 1)


@given(st.integers(0, 63), st.integers(0, 2**63 - 1), st.integers(1, 256))
def test_tile_path_is_read_back(level: int, n: int, width: int) -> None:
    name = parse_tile_path(tile_path(level, n, width))
    assert (name.level, name.n, name.width) == (level, n, width)


@given(st.text("x01/.p", max_size=12) | st.text())
def test_whatever_is_read_as_a_tile_path_is_its_only_spelling(text: str) -> None:
    path = f"tile/0/{text}"
    try:
        name = parse_tile_path(path)
    except TileError:
        return
    assert tile_path(name.level, name.n, name.width) == path


@pytest.mark.parametrize(("level", "n", "width"), [(64, 0, 256), (-1, 0, 256), (0, -1, 256), (0, 0, 0), (0, 0, 257)])
def test_impossible_tiles_have_no_path(level: int, n: int, width: int) -> None:
    with pytest.raises(TileError):
        tile_path(level, n, width)
