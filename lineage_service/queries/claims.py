"""What tags and parameters claim of versions of models by convention: shown beside what is known, and never as it."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from graph_schema import names
from graph_schema.answers import Gap, RowClaim
from lineage_service.queries.asking import Asking
from lineage_service.queries.versions import VersionNames, model_of, rows_of, same_versions
from lineage_service.store.protocol import PropertyRow

_REGISTER: Final = "claim:"

Claim = tuple[str, str, Any, int]
"""(node, register, value, record)."""


def claims_of(asking: Asking, versions: Iterable[str], gaps: list[Gap]) -> dict[str, list[RowClaim]]:
    """Return what holds at the cut of each version, under all its names, and of the models it belongs to.

    A sealed value is opened for those entitled to it; for others its gap is added, once a record.
    """
    wanted = sorted(set(versions))
    if not wanted:
        return {}
    groups = same_versions(asking, wanted)
    models = {model_of(one) for one in wanted}
    every = {one for group in groups.values() for one in group}
    rows = rows_of(asking, every | models, VersionNames(asking))
    held: dict[str, list[Claim]] = {}
    for version in wanted:
        told = [row for one in sorted(groups[version]) for row in rows.get(one, ())]
        held[version] = [*_holding(version, told), *_holding(model_of(version), rows.get(model_of(version), ()))]
    asking.look_up({seq for claims in held.values() for _, _, _, seq in claims})
    opened: dict[tuple[str, str, int], RowClaim] = {}
    return {version: [_shown(asking, claim, opened, gaps) for claim in claims] for version, claims in held.items()}


def _holding(node: str, rows: Iterable[PropertyRow]) -> list[Claim]:
    """Return the claims of one thing that no later record took back, by what they mean and where they stand."""
    last: dict[str, tuple[Any, int]] = {}
    for row in sorted(rows, key=lambda row: row.order):
        last.update(
            {name: (value, row.seq) for name, value in row.registers.items() if name.startswith(_REGISTER)}
        )
    return [(node, name, value, seq) for name, (value, seq) in sorted(last.items()) if value is not None]


def _shown(asking: Asking, claim: Claim, opened: dict[tuple[str, str, int], RowClaim], gaps: list[Gap]) -> RowClaim:
    node, register, value, seq = claim
    key = (node, register, seq)
    if key not in opened:
        record = asking.record(seq)
        hidden: list[Gap] = []
        text = asking.open(record, value, hidden)
        gaps += [gap for gap in hidden if gap not in gaps]
        _, means, name = register.split(":", 2)
        opened[key] = RowClaim(
            means=means, name=name, value=text, on=names.kind_of(node), claimed_by=asking.party(record), seq=seq
        )
    return opened[key]


def seqs_of(claims: Mapping[str, list[RowClaim]]) -> list[int]:
    """Return the records that claims rest on."""
    return [one["seq"] for every in claims.values() for one in every]
