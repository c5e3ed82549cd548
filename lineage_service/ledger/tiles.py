"""The Merkle tree cut into files of 256 hashes, so that proofs cost a few reads and mirrors can fetch the whole tree.

Follows C2SP tlog-tiles with its fixed height of 8: tile ``n`` of level ``L`` holds the hashes of the complete subtrees
``n * 256 .. n * 256 + 255`` of height ``8 * L``. Rules kept: a complete tile never changes; a partial tile is never
hashed into the level above; a path has exactly one spelling.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from lineage_service.ledger.errors import TileError
from lineage_service.ledger.merkle import HASH_SIZE, MAX_SIZE, node_hash

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT
TILE_BYTES: Final = TILE_WIDTH * HASH_SIZE
_MAX_LEVEL: Final = 63
_CACHED_TILES: Final = 64
_CACHED_ROOTS: Final = 4096
_PATH: Final = re.compile(r"tile/(0|[1-9][0-9]?)/((?:x[0-9]{3}/){0,6})([0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


@dataclass(frozen=True, slots=True)
class TileName:
    """Which tile: ``level`` 0 holds leaf hashes; ``n`` counts within the level; ``width`` < 256 is a partial tile."""

    level: int
    n: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        if not (0 <= self.level <= _MAX_LEVEL and 0 <= self.n <= MAX_SIZE and 1 <= self.width <= TILE_WIDTH):
            raise TileError(f"there is no tile of level {self.level}, number {self.n} and width {self.width}")


def tile_path(level: int, n: int, width: int = TILE_WIDTH) -> str:
    """Path of a tile below the log's prefix, such as ``tile/0/x001/234`` or ``tile/1/000.p/17``."""
    name = TileName(level, n, width)
    digits = str(name.n)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    number = "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]])
    suffix = "" if name.width == TILE_WIDTH else f".p/{name.width}"
    return f"tile/{name.level}/{number}{suffix}"


def parse_tile_path(path: str) -> TileName:
    """Reads :func:`tile_path`; raises :class:`TileError` for any other spelling."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise TileError(f"not a tile path: {path[:80]!r} (expected tile/L/N or tile/L/N.p/W)")
    level, front, last, width = match.groups()
    number = int(front.replace("x", "").replace("/", "") + last)
    name = TileName(int(level), number, int(width) if width else TILE_WIDTH)
    if tile_path(name.level, name.n, name.width) != path:
        raise TileError(f"not the canonical path of a tile: {path[:80]!r}")
    return name


def tile_width(level: int, n: int, size: int) -> int:
    """How many hashes tile ``n`` of ``level`` has in a tree of ``size`` leaves: 0 (no such tile) to 256 (complete)."""
    return min(TILE_WIDTH, max(0, (size >> (TILE_HEIGHT * level)) - n * TILE_WIDTH))


def complete_tiles(old_size: int, new_size: int) -> list[tuple[int, int]]:
    """The tiles (level, n) that become complete when the tree grows; lower levels first, so each can use the last."""
    tiles = list[tuple[int, int]]()
    level, span = 0, TILE_WIDTH
    while span <= new_size:
        tiles.extend((level, n) for n in range(old_size // span, new_size // span))
        level, span = level + 1, span * TILE_WIDTH
    return tiles


class TileReader:
    """Hashes of complete subtrees, out of complete tiles where they are stored and of lower hashes where they are not.

    ``leaf_hashes(start, end)`` returns exactly the leaf hashes of that range; ``tile(level, n)`` returns the bytes of a
    complete tile or None. Both must read committed data only: what was read once is kept (up to 64 tiles and 4,096
    tile roots), which is right because a committed tile never changes.
    """

    __slots__ = ("_fetch_tile", "_leaf_hashes", "_roots", "_tiles")

    def __init__(
        self, leaf_hashes: Callable[[int, int], Sequence[bytes]], tile: Callable[[int, int], bytes | None]
    ) -> None:
        self._leaf_hashes = leaf_hashes
        self._fetch_tile = tile
        self._tiles: dict[tuple[int, int], bytes] = {}
        self._roots: dict[tuple[int, int], bytes] = {}

    def subtree(self, level: int, n: int) -> bytes:
        """Hash over leaves [n << level, (n + 1) << level), which must all be in the log."""
        tile_level, height = divmod(level, TILE_HEIGHT)
        first = n << height
        return _fold(self.hashes(tile_level, first, first + (1 << height)))

    def hashes(self, level: int, start: int, end: int) -> list[bytes]:
        """Hashes ``start`` to ``end`` (exclusive) of a tile level, all within one tile."""
        tile = self._tile(level, start // TILE_WIDTH)
        if tile is not None:
            offset = start // TILE_WIDTH * TILE_WIDTH
            return [tile[at * HASH_SIZE : (at + 1) * HASH_SIZE] for at in range(start - offset, end - offset)]
        if level == 0:
            return self._leaves(start, end)
        return [self._tile_root(level - 1, n) for n in range(start, end)]

    def _leaves(self, start: int, end: int) -> list[bytes]:
        leaves = list(self._leaf_hashes(start, end))
        if len(leaves) != end - start or any(len(leaf) != HASH_SIZE for leaf in leaves):
            raise TileError(f"the log does not hold leaf hashes {start} to {end}: run a full verification")
        return leaves

    def _tile(self, level: int, n: int) -> bytes | None:
        tile = self._tiles.get((level, n))
        if tile is not None:
            return tile
        tile = self._fetch_tile(level, n)
        if tile is None:
            return None
        if len(tile) != TILE_BYTES:
            raise TileError(f"stored {tile_path(level, n)} has {len(tile)} bytes, not {TILE_BYTES}: rebuild the tiles")
        _remember(self._tiles, (level, n), tile, _CACHED_TILES)
        return tile

    def _tile_root(self, level: int, n: int) -> bytes:
        root = self._roots.get((level, n))
        if root is None:
            root = _fold(self.hashes(level, n * TILE_WIDTH, (n + 1) * TILE_WIDTH))
            _remember(self._roots, (level, n), root, _CACHED_ROOTS)
        return root


def build_tile(level: int, n: int, reader: TileReader, width: int = TILE_WIDTH) -> bytes:
    """The bytes of a tile: its ``width`` hashes one after another; a narrower width gives the partial tile."""
    name = TileName(level, n, width)
    start = name.n * TILE_WIDTH
    return b"".join(reader.hashes(name.level, start, start + name.width))


def _remember(cache: dict[tuple[int, int], bytes], key: tuple[int, int], value: bytes, limit: int) -> None:
    if len(cache) >= limit:
        cache.clear()
    cache[key] = value


def _fold(hashes: list[bytes]) -> bytes:
    """Root over a power of two of hashes."""
    while len(hashes) > 1:
        hashes = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]
