"""An answer in words, the same in a notebook and on a terminal: the two times, completeness, gaps, who, and edges.

Pure. Whatever is unknown is said to be unknown; nothing here invents a name, a time or a reason.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from graph_schema import times
from graph_schema.answers import Answer, Coverage, Gap

_PROVING: Final = {"in_path": "in the path of every change", "polled": "by polling"}
_METHODS: Final = {**_PROVING, "pushed": "what it chooses to send", "declared": "what people declare"}
_NAMED: Final = 3
_LONGEST_VALUE: Final = 80

_UP: Final = {
    "PRODUCED_BY": "produced by",
    "READ": "read, version not named:",
    "USED_MODEL": "used model",
    "BUILT_FROM": "built from",
    "RAN_IN": "ran in",
    "DERIVED_FROM": "derived from",
    "COLUMN_FROM": "computed from",
    "VERSION_OF": "is a version of",
    "SAME_AS": "is the same as",
}
_DOWN: Final = {
    "PRODUCED_BY": "produced",
    "READ": "was read, version not named, by",
    "USED_MODEL": "was used as a model by",
    "BUILT_FROM": "was built into",
    "RAN_IN": "was the environment of",
    "DERIVED_FROM": "is the origin of",
    "COLUMN_FROM": "feeds",
    "VERSION_OF": "has version",
    "SAME_AS": "is the same as",
}
_USED_UP: Final = {
    "training": "trained on",
    "validation": "validated on",
    "test": "tested on",
    "evaluation": "evaluated on",
    "scoring": "scored",
}
_USED_DOWN: Final = {
    "training": "train",
    "validation": "validate",
    "test": "test",
    "evaluation": "evaluate",
    "scoring": "be scored by",
}
_GAPS: Final = {
    "unknown_version": "version unknown",
    "not_recorded": "not recorded",
    "limit": "cut off",
    "restricted": "restricted",
    "collector_gap": "not observed",
    "late": "recorded late",
    "import": "imported",
    "erased": "erased",
    "inferred": "inferred",
    "unsupported": "not understood",
}


def when(text: str, zone: str = "UTC") -> str:
    """Return an instant to the second as a person reads it, in an IANA zone."""
    seconds = times.parse_time(text) // times.MICROS_PER_SECOND
    return f"{datetime.fromtimestamp(seconds, UTC).astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S %Z}"


def party(who: Mapping[str, Any] | None) -> str:
    """Return who somebody is and how well that is known."""
    if who is None:
        return "nobody recorded"
    known = named(who)
    return f"{known} ({who.get('assurance', 'unknown')})" if known else unnamed(who)


def named(who: Mapping[str, Any]) -> str | None:
    """Return who somebody is, for whom they acted if they did; None if nobody is known."""
    name = who.get("name") or who.get("id")
    behalf = who.get("on_behalf_of")
    if name is None and not behalf:
        return None
    acting = f" for {behalf.get('name') or behalf.get('id') or 'somebody unknown'}" if behalf else ""
    return f"{name or 'somebody unknown'}{acting}"


def unnamed(who: Mapping[str, Any]) -> str:
    """Return why nobody is named."""
    return "the system itself" if who.get("assurance") == "system" else "unknown (only the effect was seen)"


def claim(one: Mapping[str, Any]) -> str:
    """Return what a tag claims and who set it, so that nobody takes it for what is known."""
    value = "(a value you may not see)" if one["value"] is None else one["value"][:_LONGEST_VALUE]
    meaning, where = (str(one[name]).replace("_", " ") for name in ("means", "on"))
    return f"{meaning} {value}: claimed in tag {one['name']} of the {where} by {party(one['claimed_by'])}"


def edge(kind: str, roles: Sequence[str], *, down: bool = False) -> str:
    """Return an edge as a verb, seen from its downstream end, or with ``down`` from its upstream end.

    A use whose role nobody stated is just a use: it may have been training, and is not said to have been.
    """
    if kind == "COLUMN_FROM" and "indirect" in roles:
        direct, indirect = ("feeds", "decides about") if down else ("computed from", "decided by")
        return f"{direct} and {indirect}" if "direct" in roles else indirect
    if kind != "USED":
        return (_DOWN if down else _UP).get(kind, kind.lower().replace("_", " "))
    known = [role for role in roles if role != "unknown"]
    if not known:
        return "was used by" if down else "used"
    verbs = _USED_DOWN if down else _USED_UP
    said = [verbs.get(role, role) for role in known]
    return f"was used to {' and '.join(said)}" if down else " and ".join(said)


def both_times(answer: Answer[Any], zone: str = "UTC") -> str:
    """Return the sentence about ``as_of`` and ``known_at``."""
    seq = answer.known_at["seq"]
    known = f"record {seq} ({when(answer.known_at['time'], zone)})" if seq >= 0 else "no record at all"
    return f"What was true at {when(answer.as_of, zone)}, according to what was recorded up to {known}."


def completeness(answer: Answer[Any], zone: str = "UTC") -> list[str]:
    """Return whether the answer is complete, relative to which sources, and if not, why not."""
    sources = [
        f"  {one['source']}: {_METHODS.get(one['method'], one['method'])}, {_span(one, zone)}"
        for one in answer.coverage
    ]
    if answer.complete:
        return ["Complete relative to the sources listed:", *sources]
    lines = [f"Not known to be complete: {_why_not(answer)}."]
    return [*lines, "Sources:", *sources] if sources else lines


def _span(one: Coverage, zone: str) -> str:
    retired = f", retired {when(one['retired'], zone)}" if one["retired"] else ""
    if one["from"] is None or one["to"] is None:
        return f"never reported{retired}" if retired else "has not reported yet"
    return f"{when(one['from'], zone)} to {when(one['to'], zone)}{retired}"


def _why_not(answer: Answer[Any]) -> str:
    if not answer.coverage:
        return "no source is registered that would have seen what is asked for"
    silent = [one["source"] for one in answer.coverage if one["from"] is None]
    proving = [one["source"] for one in answer.coverage if one["method"] in _PROVING]
    reasons = []
    if not proving:
        reasons.append("no source sees every change by itself")
    elif len(proving) < len(answer.coverage):
        reasons.append(f"only {', '.join(proving)} would notice what was not sent")
    if silent:
        reasons.append(f"{', '.join(silent)} never reported")
    behind = [
        one
        for one in answer.coverage
        if one["to"] is not None and one["to"] < min(answer.as_of, one["retired"] or answer.as_of)
    ]
    if behind and len(behind) + len(silent) == len(answer.coverage):
        reasons.append(f"{', '.join(one['source'] for one in behind)} did not report yet up to the time asked for")
    if answer.gaps:
        reasons.append("there are gaps, listed below")
    return "; ".join(reasons) or "the sources did not see the whole time asked for"


def gaps(found: Sequence[Gap]) -> list[str]:
    """Return the gaps, one line each, or one line a kind where there are many of it."""
    kinds: dict[str, list[Gap]] = {}
    for gap in found:
        kinds.setdefault(gap["kind"], []).append(gap)
    lines = []
    for kind, group in kinds.items():
        title = _GAPS.get(kind, kind)
        if len(group) <= _NAMED:
            lines += [f"  {title}: {gap['subject']}: {gap['detail']}" for gap in group]
        else:
            first = ", ".join(gap["subject"] for gap in group[:_NAMED])
            lines.append(
                f"  {title}, {len(group)} times: {first} and {len(group) - _NAMED} more ({group[0]['detail']})"
            )
    return lines


def evidence(answer: Answer[Any], size: int | None) -> str:
    """Return how much the answer rests on; ``size`` is how many records its checkpoint signs."""
    count = len(answer.evidence)
    cited = "no record is cited" if count == 0 else f"rests on {count} record{'' if count == 1 else 's'}"
    signed = "no checkpoint is signed yet" if size is None else f"under a signed checkpoint of {size} records"
    return f"Evidence: {cited}; {signed}."
