"""For whom a CI job acts, said to the MLflow server with every request: ``X-Lineage-On-Behalf-Of``.

MLflow loads ``LineageRequestHeaders`` by its entry point (``mlflow.request_header_provider``), and asks it for the
requests that it makes itself, to its tracking server. The header holds compact ASCII JSON of at most 2 KiB, ``{issuer,
subject, via, ref}``, and is sent only where a CI system names who triggered it. It is a claim: any client may send it.
``LINEAGE_CONTEXT=off`` turns it off. The rules of ``context`` hold: never an error, nothing slow.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Final

from collectors.mlflow.context import ci_context

HEADER: Final = "X-Lineage-On-Behalf-Of"
MOST_BYTES: Final = 2048
_LONGEST: Final = {"issuer": 256, "subject": 512, "via": 256, "ref": 4096}


class LineageRequestHeaders:
    """MLflow's request header provider."""

    def in_context(self) -> bool:
        """Tell whether a CI system names somebody."""
        return bool(self.request_headers())

    def request_headers(self) -> dict[str, str]:
        """Return the header; {} if there is nothing to say, or anything at all goes wrong."""
        try:
            value = on_behalf_of(os.environ) if os.environ.get("LINEAGE_CONTEXT", "on") != "off" else None
        except Exception:  # noqa: BLE001  no request of a training script fails for the sake of a header
            return {}
        return {HEADER: value} if value else {}


def on_behalf_of(environment: Mapping[str, str]) -> str | None:
    """Return the header's value; None where nobody is named, or the value would be too long."""
    found = ci_context(environment) or {}
    if not found.get("issuer") or not found.get("subject"):
        return None
    told = {"issuer": found["issuer"], "subject": found["subject"], "via": found["system"], "ref": found.get("url")}
    kept = {name: value for name, value in told.items() if value and len(value) <= _LONGEST[name]}
    for fields in (kept, {name: value for name, value in kept.items() if name != "ref"}):
        value = json.dumps(fields, separators=(",", ":"))
        if {"issuer", "subject"} <= set(fields) and len(value) <= MOST_BYTES:
            return value
    return None
