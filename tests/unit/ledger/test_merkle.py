"""The tree against the recursive definition of RFC 6962, written once more here in its plainest form."""

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage_service.ledger.errors import ProofError
from lineage_service.ledger.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    frontier_at,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_at,
    suffix_consistency,
    suffix_proofs,
    verify_consistency,
    verify_inclusion,
)

LEAVES = [leaf_hash(b"record %d" % number) for number in range(201)]
sizes = st.integers(0, 200)


def definition(leaves: list[bytes]) -> bytes:
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    middle = 1 << ((len(leaves) - 1).bit_length() - 1)
    return node_hash(definition(leaves[:middle]), definition(leaves[middle:]))


ROOTS = [definition(LEAVES[:size]) for size in range(202)]


@cache
def subtree(level: int, n: int) -> bytes:
    leaves = LEAVES[n << level : (n + 1) << level]
    assert len(leaves) == 1 << level, "only complete subtrees may be asked for"
    return definition(leaves)


def flips(data: bytes) -> list[bytes]:
    whole = int.from_bytes(data, "big")
    return [(whole ^ (1 << bit)).to_bytes(len(data), "big") for bit in range(8 * len(data))]


def test_frontier_has_the_defined_root_at_every_size() -> None:
    frontier = Frontier()
    for size in range(201):
        assert frontier.root() == ROOTS[size] == root_at(size, subtree)
        assert frontier == frontier_at(size, subtree)
        frontier = frontier.extend(LEAVES[size : size + 1])


def test_every_inclusion_proof_of_every_size_holds() -> None:
    for size in range(1, 201):
        for index in range(size):
            proof = inclusion_proof(index, size, subtree)
            verify_inclusion(index, size, LEAVES[index], proof, ROOTS[size])


def test_every_consistency_proof_of_every_pair_of_sizes_holds() -> None:
    for new in range(201):
        for old in range(new + 1):
            verify_consistency(old, new, consistency_proof(old, new, subtree), ROOTS[old], ROOTS[new])


@given(sizes, sizes)
def test_suffix_proofs_from_the_old_frontier_are_the_proofs_of_the_whole_tree(one: int, other: int) -> None:
    old, new = sorted((one, other))
    proofs = suffix_proofs(frontier_at(old, subtree), LEAVES[old:new])
    assert proofs == [inclusion_proof(index, new, subtree) for index in range(old, new)]


@pytest.mark.parametrize("old", range(70))
def test_consistency_from_the_old_frontier_is_the_proof_of_the_whole_tree(old: int) -> None:
    for new in range(old, 140):
        proof = suffix_consistency(frontier_at(old, subtree), LEAVES[old:new])
        assert proof == consistency_proof(old, new, subtree)


@given(sizes, sizes, sizes)
def test_frontier_grows_the_same_in_any_batches(one: int, two: int, three: int) -> None:
    first, second, last = sorted((one, two, three))
    whole = Frontier().extend(LEAVES[:last])
    assert Frontier().extend(LEAVES[:first]).extend(LEAVES[first:second]).extend(LEAVES[second:last]) == whole


@given(st.integers(1, 200), st.data())
def test_inclusion_proof_for_another_place_size_leaf_or_root_is_refused(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, subtree)
    other = data.draw(st.integers(0, 200).filter(lambda number: number not in (index, size)))
    for at, leaf, root in [
        (other, LEAVES[index], ROOTS[size]),
        (index, LEAVES[other], ROOTS[size]),
        (index, LEAVES[index], ROOTS[other]),
    ]:
        with pytest.raises(ProofError):
            verify_inclusion(at, size, leaf, proof, root)


@given(sizes, sizes, st.data())
def test_consistency_proof_for_other_roots_is_refused(one: int, other: int, data: st.DataObject) -> None:
    old, new = sorted((one, other))
    proof = consistency_proof(old, new, subtree)
    wrong = data.draw(sizes.filter(lambda size: size not in (old, new)))
    with pytest.raises(ProofError):
        verify_consistency(old, new, proof, ROOTS[wrong], ROOTS[new])
    if old:
        with pytest.raises(ProofError):
            verify_consistency(old, new, proof, ROOTS[old], ROOTS[wrong])


@given(sizes, sizes, st.data())
def test_proof_with_a_hash_more_or_less_is_refused(one: int, other: int, data: st.DataObject) -> None:
    old, new = sorted((one, other))
    proof = consistency_proof(old, new, subtree)
    place = data.draw(st.integers(0, len(proof)))
    with pytest.raises(ProofError):
        verify_consistency(old, new, [*proof[:place], ROOTS[new], *proof[place:]], ROOTS[old], ROOTS[new])
    if proof:
        place %= len(proof)
        with pytest.raises(ProofError):
            verify_consistency(old, new, proof[:place] + proof[place + 1 :], ROOTS[old], ROOTS[new])


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 200])
def test_inclusion_proof_with_a_hash_more_or_less_is_refused(size: int) -> None:
    for index in range(size):
        proof = inclusion_proof(index, size, subtree)
        wrong = [[*proof[:at], ROOTS[3], *proof[at:]] for at in range(len(proof) + 1)]
        wrong += [proof[:at] + proof[at + 1 :] for at in range(len(proof))]
        for each in wrong:
            with pytest.raises(ProofError):
                verify_inclusion(index, size, LEAVES[index], each, ROOTS[size])


def test_proof_that_leads_to_the_root_of_another_size_is_refused() -> None:
    extra = ROOTS[5]
    with pytest.raises(ProofError, match="too long"):
        verify_inclusion(5, 8, LEAVES[5], [*inclusion_proof(5, 8, subtree), extra], node_hash(extra, ROOTS[8]))
    with pytest.raises(ProofError, match="too short"):
        verify_inclusion(1, 8, LEAVES[1], inclusion_proof(1, 4, subtree), ROOTS[4])
    old, new = node_hash(extra, ROOTS[6]), node_hash(extra, ROOTS[8])
    with pytest.raises(ProofError, match="too long"):
        verify_consistency(6, 8, [*consistency_proof(6, 8, subtree), extra], old, new)
    with pytest.raises(ProofError, match="too short"):
        verify_consistency(2, 8, consistency_proof(2, 4, subtree), ROOTS[2], ROOTS[4])


def test_hash_of_another_length_is_refused_though_it_leads_to_the_root() -> None:
    with pytest.raises(ProofError, match="32 bytes"):
        verify_inclusion(0, 1, b"record", [], b"record")
    with pytest.raises(ProofError, match="32 bytes"):
        verify_inclusion(0, 2, LEAVES[0], [b"record"], node_hash(LEAVES[0], b"record"))
    with pytest.raises(ProofError, match="32 bytes"):
        verify_consistency(1, 2, [b"record"], LEAVES[0], node_hash(LEAVES[0], b"record"))


def test_every_bit_flip_of_an_inclusion_proof_is_refused() -> None:
    proof = inclusion_proof(77, 100, subtree)
    whole = b"".join(proof)
    for flipped in flips(whole):
        broken = [flipped[at : at + 32] for at in range(0, len(flipped), 32)]
        with pytest.raises(ProofError):
            verify_inclusion(77, 100, LEAVES[77], broken, ROOTS[100])


def test_every_bit_flip_of_leaf_or_root_is_refused() -> None:
    proof = inclusion_proof(77, 100, subtree)
    for leaf in flips(LEAVES[77]):
        with pytest.raises(ProofError):
            verify_inclusion(77, 100, leaf, proof, ROOTS[100])
    for root in flips(ROOTS[100]):
        with pytest.raises(ProofError):
            verify_inclusion(77, 100, LEAVES[77], proof, root)


@pytest.mark.parametrize("old", [1, 37, 64, 99])
def test_every_bit_flip_of_a_consistency_proof_is_refused(old: int) -> None:
    whole = b"".join(consistency_proof(old, 100, subtree))
    for flipped in flips(whole):
        broken = [flipped[at : at + 32] for at in range(0, len(flipped), 32)]
        with pytest.raises(ProofError):
            verify_consistency(old, 100, broken, ROOTS[old], ROOTS[100])


def test_a_record_cannot_pass_for_an_inner_node() -> None:
    record = LEAVES[0] + LEAVES[1]
    assert leaf_hash(record) != node_hash(LEAVES[0], LEAVES[1])


def test_record_bytes_in_place_of_a_leaf_hash_are_refused() -> None:
    with pytest.raises(ProofError, match="32 bytes"):
        Frontier().extend([b'{"v":1}'])
    with pytest.raises(ProofError, match="32 bytes"):
        suffix_proofs(Frontier(), [b'{"v":1}'])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (-1, 5), (0, 2**63)])
def test_no_inclusion_proof_is_made_outside_the_tree(index: int, size: int) -> None:
    with pytest.raises(ProofError):
        inclusion_proof(index, size, subtree)


@pytest.mark.parametrize(("old", "new"), [(5, 4), (-1, 4), (1, 2**63)])
def test_no_consistency_proof_is_made_between_impossible_sizes(old: int, new: int) -> None:
    with pytest.raises(ProofError):
        consistency_proof(old, new, subtree)


def test_no_root_is_made_of_an_impossible_size() -> None:
    with pytest.raises(ProofError):
        root_at(-1, subtree)


def test_no_leaves_appended_need_no_proofs() -> None:
    assert suffix_proofs(frontier_at(100, subtree), []) == []


@given(sizes)
def test_stored_frontier_is_read_back(size: int) -> None:
    frontier = frontier_at(size, subtree)
    assert Frontier.from_bytes(frontier.to_bytes()) == frontier
    assert len(frontier.to_bytes()) == 8 + 32 * size.bit_count()


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"\0", lambda data: data[:-32]])
def test_stored_frontier_of_another_length_is_refused(change: object) -> None:
    assert callable(change)
    with pytest.raises(ProofError):
        Frontier.from_bytes(change(frontier_at(100, subtree).to_bytes()))


@pytest.mark.parametrize("data", [b"", b"\0" * 7, (2**63).to_bytes(8, "big") + bytes(32), b"\0" * 40])
def test_stored_frontier_with_an_impossible_size_is_refused(data: bytes) -> None:
    with pytest.raises(ProofError):
        Frontier.from_bytes(data)
