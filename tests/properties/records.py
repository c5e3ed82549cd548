"""From wire events to the records that the fold and the naive reference read, without a recorder.

What a recorder draws or keys is derived here from the event alone, so that two orders of arrival give the same ids and
the same pseudonyms: an id is the instant in milliseconds and a hash of the normalised event (without the sender's own
counter and reference), a pseudonym a hash of who somebody is. A repeated event keeps the number it first got.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from graph_schema import sealing, times
from graph_schema.events import parse_event


class Sent(NamedTuple):
    """A wire event and the source (kind, instance) whose token sent it."""

    event: dict[str, Any]
    kind: str
    instance: str


def _hashed(*parts: object) -> str:
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def pseudonym(issuer: str, subject: str, kind: str = "person") -> str:
    """Return what stands for somebody in records: ``p_`` a person, ``s_`` a service account."""
    return ("s_" if kind == "service_account" else "p_") + _hashed(issuer, subject, kind)[:10]


def _normalised(sent: Sent) -> dict[str, Any]:
    event = parse_event(sent.event)
    plain: dict[str, Any] = event.model_dump(by_alias=True, exclude_defaults=True)
    plain["source"] = {"kind": sent.kind, "instance": sent.instance, **plain.get("source", {})}
    return plain


def event_id(normalised: dict[str, Any]) -> str:
    """Return 12 hex digits of milliseconds and 20 of a hash; order and reference of the sender play no part."""
    source = {name: value for name, value in normalised["source"].items() if name not in ("order", "ref")}
    at = times.parse_time(normalised["occurred_at"])
    return f"{at // 1000:012x}" + _hashed({**normalised, "source": source})[:20]


def record_of(sent: Sent) -> dict[str, Any]:
    """Return the record of one event, as the fold reads it, without its number."""
    plain = _normalised(sent)
    people = {person: pseudonym(*person) for person in sealing.people(plain)}
    sealed, _ = sealing.seal(plain, people)
    return {
        "v": 1,
        "type": plain["type"],
        "ev": plain.get("ev", 1),
        "id": event_id(plain),
        "occurred_at": plain["occurred_at"],
        "source": plain["source"],
        "actor": sealed["actor"],
        "body": sealed["body"],
    }


def records_of(history: Iterable[Sent]) -> list[dict[str, Any]]:
    """Return the records of a history in order of arrival, numbered from 0; a repeat adds none."""
    records: dict[str, dict[str, Any]] = {}
    for sent in history:
        record = record_of(sent)
        records.setdefault(record["id"], {**record, "seq": len(records)})
    return list(records.values())
