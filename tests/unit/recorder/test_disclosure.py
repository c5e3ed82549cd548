"""What is sealed in records is opened one by one or looked up together, with the same result."""

from collections.abc import Mapping
from typing import Any

from lineage_service.recorder.disclosure import Disclosure
from lineage_service.recorder.installation import Installation
from tests.unit.recorder.facts import bodies, move, record

OMAR = {"issuer": "mlflow:prod", "subject": "omar", "assurance": "authenticated"}


def told(installation: Installation) -> list[dict[str, Any]]:
    """Record moves by two people, with and without a reason; return their records."""
    moves = [move(1, body={"reason": "it is better"}), move(2), move(3, actor=OMAR, body={"reason": "it is worse"})]
    record(installation, *moves)
    return [body for body in bodies(installation) if body["type"] == "stage.transitioned"]


def seen(disclosure: Disclosure, records: list[dict[str, Any]]) -> list[tuple[str | None, Any]]:
    """Return who acted in each record, and its reason."""
    return [(disclosure.name(one["actor"]["id"]), reason(disclosure, one)) for one in records]


def reason(disclosure: Disclosure, one: Mapping[str, Any]) -> Any:
    """Return the reason in clear."""
    sealed = one["body"].get("reason")
    return None if sealed is None else disclosure.value(one, one["sd"][sealed["sd"]])


def opening(installation: Installation) -> Disclosure:
    """Return a new Disclosure, as each question has."""
    return Disclosure(installation.secrets, installation.store.vault())


def test_what_was_looked_up_together_opens_to_what_each_alone_opens_to(installation: Installation) -> None:
    records = told(installation)
    together = opening(installation)
    together.look_up(records)
    assert seen(together, records) == seen(opening(installation), records)
    assert seen(together, records) == [
        ("deployer1 (mlflow:prod)", "it is better"),
        ("deployer1 (mlflow:prod)", None),
        ("omar (mlflow:prod)", "it is worse"),
    ]


def test_what_is_erased_is_gone_for_the_next_question_and_one_that_looked_up_needs_no_vault(
    installation: Installation,
) -> None:
    records = told(installation)
    before = opening(installation)
    before.look_up(records)
    people = {one["actor"]["id"] for one in records}
    for person in people:
        installation.store.vault().erase(person)
    assert seen(before, records)[0] == ("deployer1 (mlflow:prod)", "it is better")
    after = opening(installation)
    after.look_up(records)
    assert {name for name, _ in seen(after, records)} == {None}


def test_nothing_is_asked_of_the_vault_for_records_that_name_nobody(installation: Installation) -> None:
    genesis = bodies(installation)[0]
    disclosure = Disclosure(installation.secrets, None)  # type: ignore[arg-type]
    disclosure.look_up([genesis])
    disclosure.look_up([])
