"""Words for small stories: facts in a line each, instants in seconds after a day's start, rows cut to what matters."""

from typing import Any

from graph_schema import names, times
from tests.properties.records import Sent, records_of
from tests.properties.reference import Answers, Reference

START = times.parse_time("2026-03-01T00:00:00Z")
ALWAYS = 10**6
MODEL, OTHER = names.model("m", "credit"), names.model("m", "other")
DATA = {"namespace": "s3://b", "name": "raw data"}
RAW = names.dataset("s3://b", "raw data")
ANNA = {"issuer": "m", "subject": "anna", "assurance": "authenticated"}
SEEN = {"assurance": "observed"}


def micros(second: float) -> int:
    return START + round(second * 1_000_000)


def text(second: float) -> str:
    return times.format_time(micros(second))


def fact(second: float, word: str, *, source: str = "one", **body: Any) -> Sent:
    """Return a fact; ``actor_`` and ``order_`` are no part of its body, ``from_`` is ``from``."""
    actor, order = body.pop("actor_", ANNA), body.pop("order_", 0)
    body = {name.rstrip("_"): value for name, value in body.items()}
    event = {"type": word, "occurred_at": text(second), "source": {"order": order}, "actor": actor, "body": body}
    return Sent(event, "mlflow", source)


def run(second: float, name: str, state: str | None = None, **body: Any) -> Sent:
    return fact(second, "run.observed", run=name, **({"state": state} if state else {}), **body)


def version(number: str, second: float | None = 0, model: str = MODEL) -> dict[str, Any]:
    created = {} if second is None else {"created_ms": micros(second) // 1000}
    return {"model": model, "version": number, **created}


def key(number: str, second: float | None = 0, model: str = MODEL) -> str:
    created = None if second is None else micros(second) // 1000
    return names.model_version("m", names.parse(model).parts[1], number, created)


def raw(number: str) -> str:
    return names.dataset_version("s3://b", "raw data", number)


def stage(second: float, item: dict[str, Any], to: str, **more: Any) -> Sent:
    return fact(second, "stage.transitioned", **item, to=to, **more)


def registered(item: dict[str, Any], second: float = 0, **more: Any) -> Sent:
    return fact(second, "model_version.registered", **item, **more)


def at(facts: list[Sent], as_of: float = 10**9, known_at: int = ALWAYS) -> Answers:
    return Reference(records_of(facts)).at(micros(as_of), known_at)


def spans(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Return of each row the slot, the version's number, and begin and end in seconds."""
    short = []
    for row in rows:
        slot = row["stage"] or row["alias"] or row["target"]
        begin, end = (row[word] and (times.parse_time(row[word]) - START) / 1e6 for word in ("from", "until"))
        short.append((slot, row["version"], begin, end))
    return short
