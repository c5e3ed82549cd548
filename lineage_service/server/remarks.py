"""What the service noticed about a fact that it recorded as it was told: so far, that nobody registered the version.

A fact is never refused for that (the registry may be heard of later), but a typing error should be told to whoever
made it, also where its token may record and not ask.
"""

from collections.abc import Sequence
from typing import Final

from graph_schema import names, times
from graph_schema.fold.model import version_key
from lineage_service.queries.asking import Asking
from lineage_service.queries.versions import VersionNames, is_undated
from lineage_service.recorder.installation import Installation
from lineage_service.recorder.preparation import Prepared
from lineage_service.store.protocol import END_OF_TIME, Cut, PointQuery

_STATED_BY_HAND: Final = frozenset({"deployment.changed", "validation.recorded"})


def remarks_on(installation: Installation, prepared: Sequence[Prepared]) -> dict[str, str]:
    """Return what is to be said about some of the facts just recorded, by their ids."""
    stated = [one.template for one in prepared if one.template["type"] in _STATED_BY_HAND]
    if not stated:
        return {}
    with installation.store.read() as reader:
        asking = Asking(reader, Cut(END_OF_TIME - 1, reader.head().size - 1))
        version_names = VersionNames(asking)
        found: dict[str, str] = {}
        for one in stated:
            key = version_names.resolve(version_key(one["body"]), times.parse_time(one["occurred_at"]))
            if is_undated(key) or not reader.points(PointQuery(subjects=[key], slot="existence"), asking.cut):
                model, version = names.parse(key).parts[1:3]
                found[one["id"]] = f"no version {version} of {model} was registered here then; it is recorded as stated"
        return found
