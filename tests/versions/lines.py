"""Facts as lines that read alike whichever server they come from: type, what it says, who did it.

What MLflow drew itself (identifiers, times of making) is replaced by a name, so that releases can be compared as text.
What comes when the plugin happens to look is left out: its heartbeat, and rights that it saw without a request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

_TIME_OF_MAKING: Final = re.compile(r"@\d{13}")
_TIMES: Final = frozenset({"created_ms", "not_before", "claimed_start", "claimed_end"})
_ALWAYS_THE_SAME: Final = ("issuer", "system")


def lines(facts: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> list[str]:
    """Return one line a fact, sorted; ``names`` says what identifiers that MLflow drew stand for."""
    return sorted(_line(fact, names) for fact in facts if not _comes_by_chance(fact))


def _comes_by_chance(fact: Mapping[str, Any]) -> bool:
    kind, change = str(fact["type"]), str(fact["body"].get("change"))
    return kind == "collector.reported" or change == "seen"


def _line(fact: Mapping[str, Any], names: Mapping[str, str]) -> str:
    text = json.dumps(_plain(fact["body"]), ensure_ascii=False, sort_keys=True)
    for identifier, name in names.items():
        text = text.replace(identifier, name)
    return f"{fact['type']} {_TIME_OF_MAKING.sub('@TIME', text)} {_actor(fact['actor'])}"


def _plain(value: Any) -> Any:
    """Return a value without times and sealed digests, and without what is the same in every fact of a kind."""
    if isinstance(value, Mapping):
        if set(value) == {"sd"}:
            return "SEALED"
        kept = {key: part for key, part in value.items() if key not in _ALWAYS_THE_SAME}
        return {key: "TIME" if key in _TIMES else _plain(part) for key, part in kept.items()}
    return [_plain(part) for part in value] if isinstance(value, list) else value


def _actor(actor: Mapping[str, Any]) -> str:
    return f"by {actor['subject']}" if actor.get("subject") else f"({actor['assurance']})"
