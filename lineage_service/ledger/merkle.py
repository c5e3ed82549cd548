"""The Merkle tree of the log, so that one 32-byte root answers for every record before it.

Follows RFC 6962 section 2.1 (hashes, proofs) and RFC 9162 sections 2.1.3.2 and 2.1.4.2 (verification). Rules kept:

- leaves and inner nodes are hashed with different first bytes, so that a leaf can never pass for a node;
- functions take *leaf hashes* (32 bytes), never record bytes; a value of another length is refused;
- a verifier says nothing when the proof holds and raises :class:`ProofError` otherwise: no boolean to forget;
- nothing here reads a store: provers are given ``subtree(level, n)``, the hash of the complete aligned subtree over
  leaves ``[n << level, (n + 1) << level)``.

A writer needs only the :class:`Frontier` to append and to prove what it appended; see :func:`suffix_proofs`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from lineage_service.ledger.errors import ProofError

HASH_SIZE: Final = 32
EMPTY_ROOT: Final[bytes] = sha256(b"").digest()
MAX_SIZE: Final = 2**63 - 1
_SIZE_BYTES: Final = 8

Subtree = Callable[[int, int], bytes]


def leaf_hash(data: bytes) -> bytes:
    """Hash of one record's exact stored bytes (RFC 6962 2.1: a zero byte, then the data)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node over its two children (RFC 6962 2.1: a one byte, then left and right)."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """The right edge of a tree: the roots of its complete subtrees, left to right, largest first.

    At most 63 hashes, one for each set bit of ``size``; enough to append, to give the root and to prove new leaves.
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.size <= MAX_SIZE:
            raise ProofError(f"a tree cannot have {self.size} leaves")
        if len(self.hashes) != self.size.bit_count():
            raise ProofError(
                f"a frontier of size {self.size} has {self.size.bit_count()} hashes, not {len(self.hashes)}"
            )
        _require_hashes(self.hashes)

    def root(self) -> bytes:
        """Root of the tree; :data:`EMPTY_ROOT` for no leaves."""
        return _join(self.hashes) if self.hashes else EMPTY_ROOT

    def extend(self, leaves: Sequence[bytes]) -> Frontier:
        """The frontier after appending these leaf hashes in order."""
        _require_hashes(leaves)
        size, stack = self.size, list(self.hashes)
        for leaf in leaves:
            carry, digest = size, leaf
            while carry & 1:
                digest = node_hash(stack.pop(), digest)
                carry >>= 1
            stack.append(digest)
            size += 1
        return Frontier(size, tuple(stack))

    def to_bytes(self) -> bytes:
        """Stored form: the size as 8 bytes big-endian, then the hashes."""
        return self.size.to_bytes(_SIZE_BYTES, "big") + b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, data: bytes) -> Frontier:
        """Reads :meth:`to_bytes`; raises :class:`ProofError` when a byte is missing or left over."""
        if len(data) < _SIZE_BYTES or (len(data) - _SIZE_BYTES) % HASH_SIZE:
            raise ProofError(f"a stored frontier is 8 + 32k bytes long, not {len(data)}: restore the head of the log")
        hashes = tuple(data[at : at + HASH_SIZE] for at in range(_SIZE_BYTES, len(data), HASH_SIZE))
        return cls(int.from_bytes(data[:_SIZE_BYTES], "big"), hashes)


def suffix_proofs(frontier: Frontier, leaves: Sequence[bytes]) -> list[list[bytes]]:
    """Inclusion proofs of each appended leaf in the tree of ``frontier.size + len(leaves)`` leaves.

    Needs no earlier leaf: whatever lies left of the batch is in the frontier. The levels are built once for the batch,
    and a child's path is its sibling before its parent's path, so a proof costs one list concatenation.
    """
    _require_hashes(leaves)
    if not leaves:
        return []
    if len(leaves) == 1:  # whatever is joined on the way up from the last leaf lies to its left
        return [list(reversed(frontier.hashes))]
    levels = _levels_right_of(frontier, leaves)
    paths: list[list[bytes]] = [[]]
    parent_first = 0
    for first, nodes in reversed(levels[:-1]):
        paths = [_path_of(at, nodes, paths[((first + at) >> 1) - parent_first]) for at in range(len(nodes))]
        parent_first = first
    return paths[len(paths) - len(leaves) :]


def suffix_consistency(frontier: Frontier, leaves: Sequence[bytes]) -> list[bytes]:
    """The proof that the tree with these leaf hashes appended begins with that of ``frontier``, from these two alone.

    It is the path up from the last complete subtree of the old tree, after that subtree itself where it is not all of
    the old tree (RFC 6962 2.1.2).
    """
    _require_hashes(leaves)
    size = frontier.size
    if not size or not leaves:
        return []
    path = list(frontier.hashes[-1:]) if size.bit_count() > 1 else []
    if len(leaves) == 1:  # it stands beside that subtree, and whatever is joined above lies to their left
        return [*path, *leaves, *reversed(frontier.hashes[:-1])]
    levels = _levels_right_of(frontier, leaves)
    at = 0  # levels begin with this subtree from its own level on
    for level in range((size & -size).bit_length() - 1, len(levels) - 1):
        first, nodes = levels[level]
        path += nodes[at ^ 1 : (at ^ 1) + 1]
        at = ((first + at) >> 1) - levels[level + 1][0]
    return path


def _levels_right_of(frontier: Frontier, leaves: Sequence[bytes]) -> list[tuple[int, list[bytes]]]:
    """Per level, from the leaves up to the root: index of the first node (always even) and the nodes from there on."""
    waiting = list(frontier.hashes)
    first, nodes = frontier.size, list(leaves)
    levels: list[tuple[int, list[bytes]]] = []
    while True:
        if first & 1:  # the left sibling is a complete subtree, hence the smallest one left in the frontier
            nodes.insert(0, waiting.pop())
            first -= 1
        levels.append((first, nodes))
        if first + len(nodes) == 1:
            return levels
        parents = [node_hash(nodes[at], nodes[at + 1]) for at in range(0, len(nodes) - 1, 2)]
        if len(nodes) & 1:  # a last node without a sibling rises unchanged
            parents.append(nodes[-1])
        first, nodes = first >> 1, parents


def _path_of(at: int, nodes: list[bytes], parent: list[bytes]) -> list[bytes]:
    sibling = at ^ 1
    return [nodes[sibling], *parent] if sibling < len(nodes) else parent


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Checks that leaf hash ``leaf`` is number ``index`` of ``size`` leaves under ``root`` (RFC 9162 2.1.3.2)."""
    if not 0 <= index < size <= MAX_SIZE:
        raise ProofError(f"leaf {index} cannot be in a tree of {size} leaves")
    _require_hashes((leaf, root, *proof))
    node, last, digest = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofError(f"inclusion proof of leaf {index} in size {size} is too long: {len(proof)} hashes")
        if node & 1 or node == last:
            digest = node_hash(sibling, digest)
            node, last = _rise_past_promotions(node, last)
        else:
            digest = node_hash(digest, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise ProofError(f"inclusion proof of leaf {index} in size {size} is too short: {len(proof)} hashes")
    if digest != root:
        raise ProofError(
            f"leaf {index} is not in the tree of size {size}: proof leads to {digest.hex()}, not {root.hex()}"
        )


def verify_consistency(m: int, n: int, proof: Sequence[bytes], root_m: bytes, root_n: bytes) -> None:
    """Checks that the tree of ``n`` leaves begins with the tree of ``m`` leaves (RFC 9162 2.1.4.2).

    An empty tree begins every tree and needs no proof; a tree is consistent with itself without proof.
    """
    if not 0 <= m <= n <= MAX_SIZE:
        raise ProofError(f"a tree of {n} leaves cannot extend one of {m}")
    _require_hashes((root_m, root_n, *proof))
    if m in (0, n):
        _verify_trivial_consistency(m, n, proof, root_m, root_n)
        return
    known = (root_m, *proof) if m.bit_count() == 1 else tuple(proof)
    if not known:
        raise ProofError(f"consistency proof from {m} to {n} is missing")
    node, last = m - 1, n - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = known[0]
    for digest in known[1:]:
        if last == 0:
            raise ProofError(f"consistency proof from {m} to {n} is too long: {len(proof)} hashes")
        if node & 1 or node == last:
            old, new = node_hash(digest, old), node_hash(digest, new)
            node, last = _rise_past_promotions(node, last)
        else:
            new = node_hash(new, digest)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise ProofError(f"consistency proof from {m} to {n} is too short: {len(proof)} hashes")
    _require_roots(m, n, (old, new), (root_m, root_n))


def _verify_trivial_consistency(m: int, n: int, proof: Sequence[bytes], root_m: bytes, root_n: bytes) -> None:
    if proof:
        raise ProofError(f"consistency proof from {m} to {n} must be empty, not {len(proof)} hashes")
    if m == 0 and root_m != EMPTY_ROOT:
        raise ProofError(f"the root of an empty tree is {EMPTY_ROOT.hex()}, not {root_m.hex()}")
    if m == n and root_m != root_n:
        raise ProofError(f"two roots for size {n}: {root_m.hex()} and {root_n.hex()}")


def _require_roots(m: int, n: int, found: tuple[bytes, bytes], expected: tuple[bytes, bytes]) -> None:
    for size, got, root in zip((m, n), found, expected, strict=True):
        if got != root:
            raise ProofError(
                f"size {n} is not an extension of size {m}: the proof leads to {got.hex()} at size {size}, "
                f"not to {root.hex()}"
            )


def _rise_past_promotions(node: int, last: int) -> tuple[int, int]:
    """Skips the levels at which a last node without a sibling rises unchanged."""
    while node and not node & 1:
        node, last = node >> 1, last >> 1
    return node, last


def inclusion_proof(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """The proof that :func:`verify_inclusion` checks, from the hashes of complete subtrees (RFC 6962 2.1.1)."""
    if not 0 <= index < size <= MAX_SIZE:
        raise ProofError(f"leaf {index} is not in a tree of {size} leaves")
    start, end, path = 0, size, list[bytes]()
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_hash(middle, end, subtree))
            end = middle
        else:
            path.append(_range_hash(start, middle, subtree))
            start = middle
    return path[::-1]


def consistency_proof(m: int, n: int, subtree: Subtree) -> list[bytes]:
    """The proof that :func:`verify_consistency` checks, from the hashes of complete subtrees (RFC 6962 2.1.2)."""
    if not 0 <= m <= n <= MAX_SIZE:
        raise ProofError(f"a tree of {n} leaves cannot extend one of {m}")
    if m == 0:
        return []
    start, end, path = 0, n, list[bytes]()
    while end != m:
        middle = start + _split(end - start)
        if m <= middle:
            path.append(_range_hash(middle, end, subtree))
            end = middle
        else:
            path.append(_range_hash(start, middle, subtree))
            start = middle
    if start:  # from the left edge the verifier knows this hash already: it is the old root
        path.append(_range_hash(start, end, subtree))
    return path[::-1]


def frontier_at(size: int, subtree: Subtree) -> Frontier:
    """The frontier of the first ``size`` leaves."""
    if not 0 <= size <= MAX_SIZE:
        raise ProofError(f"a tree cannot have {size} leaves")
    return Frontier(size, tuple(_complete_subtrees(0, size, subtree)))


def root_at(size: int, subtree: Subtree) -> bytes:
    """Root of the first ``size`` leaves."""
    return frontier_at(size, subtree).root()


def _range_hash(start: int, end: int, subtree: Subtree) -> bytes:
    return _join(_complete_subtrees(start, end, subtree))


def _complete_subtrees(start: int, end: int, subtree: Subtree) -> list[bytes]:
    """Hashes of the complete subtrees that make up leaves [start, end), largest first.

    RFC 6962 only asks for ranges whose start is aligned to the largest power of two in them.
    """
    hashes = list[bytes]()
    while start < end:
        level = (end - start).bit_length() - 1
        hashes.append(subtree(level, start >> level))
        start += 1 << level
    return hashes


def _join(hashes: Sequence[bytes]) -> bytes:
    digest = hashes[-1]
    for left in reversed(hashes[:-1]):
        digest = node_hash(left, digest)
    return digest


def _split(width: int) -> int:
    """Largest power of two smaller than ``width`` (width > 1)."""
    return 1 << ((width - 1).bit_length() - 1)


def _require_hashes(hashes: Sequence[bytes]) -> None:
    for digest in hashes:
        if len(digest) != HASH_SIZE:
            raise ProofError(f"a SHA-256 hash has {HASH_SIZE} bytes, not {len(digest)}")
