"""Personal values lie apart from the ledger: one pseudonym a person, and what is erased is gone."""

import threading
from collections.abc import Iterable

import pytest

from graph_schema.sealing import Person
from lineage_service.errors import StoreConflictError
from lineage_service.store.protocol import Store
from lineage_service.store.vault import NewPerson, PersonAtRest, SealedValue, Sealings, Vault
from tests.conformance.kinds import Place
from tests.conformance.log import Log, mention, records_of, run

ANNA: Person = ("mlflow:prod", "anna", "person")
BEN: Person = ("mlflow:prod", "ben", "person")


def mac(person: Person) -> bytes:
    """Return what a person is found by."""
    return "|".join(person).encode().ljust(32, b"\0")


def fresh(person: Person, mark: str = "1") -> NewPerson:
    """Return the pseudonym prepared for somebody."""
    name = person[1]
    return NewPerson(f"p_{name}{mark}", f"key of {name} {mark}".encode(), f"identity {name} {mark}".encode())


def allocate(vault: Vault, people: Iterable[Person], mark: str = "1") -> dict[Person, str]:
    """Ask for the pseudonyms of people, with new ones at hand."""
    people = list(people)
    return vault.pseudonyms({p: mac(p) for p in people}, {p: fresh(p, mark) for p in people})


def sealed(seq: int, digest: str, subject: str, key: bytes | None = None, text: bytes = b"x") -> SealedValue:
    """Return one sealed value."""
    return SealedValue(seq, digest, subject, key, b"ciphertext " + text)


def test_somebody_new_gets_the_pseudonym_prepared(store: Store) -> None:
    vault = store.vault()
    assert allocate(vault, [ANNA, BEN]) == {ANNA: "p_anna1", BEN: "p_ben1"}
    assert vault.subject_keys(["p_anna1", "p_ben1"]) == {"p_anna1": b"key of anna 1", "p_ben1": b"key of ben 1"}
    assert vault.look_up([], ["p_anna1"]).identities == {"p_anna1": b"identity anna 1"}


def test_a_pseudonym_stays(store: Store) -> None:
    vault = store.vault()
    allocate(vault, [ANNA])
    assert allocate(vault, [ANNA, BEN], "2") == {ANNA: "p_anna1", BEN: "p_ben2"}
    assert vault.subject_keys(["p_anna2"]) == {}
    assert vault.look_up([], ["p_anna2"]).identities == {}


def test_a_pseudonym_outlives_the_process(place: Place) -> None:
    store = place.open()
    allocate(store.vault(), [ANNA])
    store.close()
    again = place.open()
    assert allocate(again.vault(), [ANNA], "2") == {ANNA: "p_anna1"}
    again.close()


def test_asking_for_nobody_gives_nobody(store: Store) -> None:
    assert store.vault().pseudonyms({}, {}) == {}
    assert store.vault().subject_keys([]) == {}


def test_many_who_ask_at_once_get_one_pseudonym(place: Place) -> None:
    stores = [place.open(), place.open()]
    gate, found, failed = threading.Barrier(8), [], []

    def ask(worker: int) -> None:
        vault = stores[worker % 2].vault()
        gate.wait()
        try:
            found.append(allocate(vault, [ANNA, BEN], f" of {worker}"))
        except Exception as error:  # noqa: BLE001  whatever it is, the test must see it
            failed.append(error)

    workers = [threading.Thread(target=ask, args=(worker,)) for worker in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failed == []
    assert len({frozenset(answer.items()) for answer in found}) == 1
    assert len(stores[0].vault().subject_keys([f"p_anna of {worker}" for worker in range(8)])) == 1
    for store in stores:
        store.close()


def test_pseudonyms_of_a_request_that_failed_do_no_harm(store: Store) -> None:
    allocate(store.vault(), [ANNA])
    assert records_of(store) == []
    assert allocate(store.vault(), [ANNA], "2") == {ANNA: "p_anna1"}


def test_keys_of_unknown_subjects_are_absent(store: Store) -> None:
    allocate(store.vault(), [ANNA])
    assert store.vault().subject_keys(["p_nobody", "p_anna1"]) == {"p_anna1": b"key of anna 1"}


def test_sealed_values_are_found_by_record(store: Store) -> None:
    rows = [sealed(0, "d0", "p_anna1"), sealed(1, "d1", "run:a", b"own"), sealed(1, "d2", "p_ben1", None, b"\x00\xff")]
    Log(store).write(mention(1, run("a")), mention(2, run("b")), mention(3, run("c")), sealed=rows)
    vault = store.vault()
    assert vault.sealed([1]) == rows[1:]
    assert vault.sealed([1, 0, 2, 99]) == rows
    assert vault.sealed([]) == []


def test_what_opens_values_and_tells_who_people_are_is_found_at_once(store: Store) -> None:
    vault = store.vault()
    allocate(vault, [ANNA, BEN])
    rows = [sealed(0, "d0", "p_anna1"), sealed(1, "d1", "run:a", b"own"), sealed(1, "d2", "p_ben1", None, b"\x00\xff")]
    Log(store).write(mention(1, run("a")), mention(2, run("b")), sealed=rows)
    anna, ben = b"key of anna 1", b"key of ben 1"
    assert vault.look_up([1, 99], ["p_anna1", "p_nobody"]) == Sealings(
        rows[1:], {"p_anna1": b"identity anna 1"}, {"p_anna1": anna, "p_ben1": ben}
    )
    assert vault.look_up([1, 0], []) == Sealings(rows, {}, {"p_anna1": anna, "p_ben1": ben})
    assert vault.look_up([], ["p_ben1", "p_ben1"]) == Sealings([], {"p_ben1": b"identity ben 1"}, {"p_ben1": ben})
    assert vault.look_up([], []) == Sealings([], {}, {})


def test_copies_are_the_values_of_one_subject(store: Store) -> None:
    rows = [sealed(0, "b", "p_anna1"), sealed(1, "a", "p_anna1"), sealed(1, "c", "p_ben1"), sealed(0, "d", "x", b"k")]
    Log(store).write(mention(1, run("a")), mention(2, run("b")), sealed=rows)
    assert store.vault().copies("p_anna1") == [(0, "b"), (1, "a")]
    assert store.vault().copies("p_nobody") == []


def test_erasing_names_the_digests_that_open_no_more(store: Store) -> None:
    allocate(store.vault(), [ANNA])
    Log(store).write(mention(1, run("a")), sealed=[sealed(0, "d1", "p_anna1"), sealed(0, "d2", "p_anna1")])
    assert sorted(store.vault().erase("p_anna1")) == ["d1", "d2"]


def test_erasing_destroys_key_identity_and_values(store: Store) -> None:
    vault = store.vault()
    allocate(vault, [ANNA])
    Log(store).write(mention(1, run("a")), sealed=[sealed(0, "d1", "p_anna1")])
    vault.erase("p_anna1")
    assert vault.subject_keys(["p_anna1"]) == {}
    assert vault.look_up([], ["p_anna1"]).identities == {}
    assert vault.sealed([0]) == []
    assert vault.copies("p_anna1") == []


def test_erasing_leaves_others_and_the_record(store: Store) -> None:
    vault = store.vault()
    allocate(vault, [ANNA, BEN])
    kept = sealed(0, "d2", "p_ben1")
    Log(store).write(mention(1, run("a")), sealed=[sealed(0, "d1", "p_anna1"), kept])
    before = records_of(store)
    vault.erase("p_anna1")
    assert vault.sealed([0]) == [kept]
    assert vault.subject_keys(["p_ben1"]) == {"p_ben1": b"key of ben 1"}
    assert vault.look_up([], ["p_ben1"]).identities == {"p_ben1": b"identity ben 1"}
    assert records_of(store) == before


def test_somebody_erased_who_comes_back_is_somebody_new(store: Store) -> None:
    vault = store.vault()
    allocate(vault, [ANNA])
    vault.erase("p_anna1")
    assert allocate(vault, [ANNA], "2") == {ANNA: "p_anna2"}


def test_erasing_a_stranger_erases_nothing(store: Store) -> None:
    allocate(store.vault(), [ANNA])
    assert store.vault().erase("p_nobody") == []
    assert store.vault().look_up([], ["p_anna1"]).identities != {}


def at_rest(person: Person, mark: str = "1") -> PersonAtRest:
    """Return somebody as the vault keeps them once ``allocate`` was called."""
    new = fresh(person, mark)
    return PersonAtRest(mac(person), new.pseudonym, new.identity, new.key)


def crowd(count: int) -> list[PersonAtRest]:
    """Return many people by ascending mac."""
    keys = (bytes([1 + number % 90]) * (1 + number % 90) for number in range(count))
    return [PersonAtRest(f"{n:032d}".encode(), f"p_{n}", b"\x00\xff%d" % n, key) for n, key in enumerate(keys)]


def test_people_are_listed_as_they_are_kept(store: Store) -> None:
    vault = store.vault()
    assert list(vault.people()) == []
    allocate(vault, [BEN, ANNA])
    assert list(vault.people()) == [at_rest(ANNA), at_rest(BEN)]


def test_somebody_erased_is_not_listed(store: Store) -> None:
    vault = store.vault()
    allocate(vault, [ANNA, BEN])
    vault.erase("p_anna1")
    assert list(vault.people()) == [at_rest(BEN)]


def test_people_who_are_brought_are_kept_as_they_were(store: Store) -> None:
    vault = store.vault()
    people = crowd(1100)
    for first in range(0, len(people), 500):
        vault.bring(people[first : first + 500])
    assert list(vault.people()) == people
    assert vault.subject_keys(["p_7"]) == {"p_7": people[7].key}
    assert vault.look_up([], ["p_7"]).identities == {"p_7": people[7].identity}


def test_people_can_be_brought_again_and_nobody_is_brought_twice(store: Store) -> None:
    vault = store.vault()
    vault.bring([])
    vault.bring([at_rest(ANNA)])
    vault.bring([at_rest(BEN), at_rest(ANNA)])
    assert list(vault.people()) == [at_rest(ANNA), at_rest(BEN)]
    assert allocate(vault, [ANNA, BEN], "2") == {ANNA: "p_anna1", BEN: "p_ben1"}


def test_somebody_without_a_key_is_brought_without_one(store: Store) -> None:
    vault = store.vault()
    gone = PersonAtRest(mac(ANNA), "p_anna1", b"identity", None)
    vault.bring([gone])
    assert list(vault.people()) == [gone]
    assert vault.subject_keys(["p_anna1"]) == {}
    with pytest.raises(StoreConflictError):
        vault.bring([at_rest(ANNA)])


def test_whom_the_vault_keeps_otherwise_is_refused_and_nobody_is_brought(store: Store) -> None:
    vault = store.vault()
    allocate(vault, [ANNA])
    for other in (
        PersonAtRest(mac(ANNA), "p_other", b"identity anna 1", b"key of anna 1"),
        PersonAtRest(mac(ANNA), "p_anna1", b"another identity", b"key of anna 1"),
        PersonAtRest(mac(ANNA), "p_anna1", b"identity anna 1", b"another key"),
        PersonAtRest(mac(ANNA), "p_anna1", b"identity anna 1", None),
        PersonAtRest(mac(("x", "y", "person")), "p_anna1", b"identity anna 1", b"key of anna 1"),
    ):
        with pytest.raises(StoreConflictError):
            vault.bring([at_rest(BEN), other])
        assert list(vault.people()) == [at_rest(ANNA)]
        assert vault.subject_keys(["p_ben1", "p_other"]) == {}
