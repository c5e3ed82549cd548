"""The environment a run executed in, as far as it is known, and the fingerprint by which it is one node. Pure.

The parts come from three places, the first that tells counts: the tags of our own context provider
(``lineage.runtime.*``), the files that a logged model brings along (``requirements.txt``, ``python_env.yaml``,
``conda.yaml``), and parameters or tags by convention. All of it is what the run's client wrote.

The fingerprint is the SHA-256 of the canonical JSON of the parts that are known. Two runs of which the same is known,
and of which it is equal, ran in one environment; more knowledge gives another fingerprint, never a wrong one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from collectors.mlflow.conventions import Conventions
from graph_schema import canonical

ENVIRONMENT_FILES: Final = ("requirements.txt", "python_env.yaml", "conda.yaml")
"""Files of a logged model that say what it needs."""

_LONGEST: Final = 200
_PYTHON = re.compile(r"^(?:python:\s*|\s*-\s*python\s*=+\s*)[\"']?(\d+(?:\.\d+)*)", re.MULTILINE)


def runtime(
    tags: Mapping[str, str], pairs: Iterable[Sequence[str]], files: Mapping[str, str], conventions: Conventions
) -> dict[str, str] | None:
    """Return the environment as a fact states it; None if nothing is known of it.

    Args:
        tags: the run's tags.
        pairs: its parameters and tags, in which conventions may name parts.
        files: texts of environment files, by name.
        conventions: which names mean what.
    """
    told = [list(pair) for pair in pairs]
    known = {
        "os": tags.get("lineage.runtime.os"),
        "python": tags.get("lineage.runtime.python") or python_of(files) or conventions.told("python", told),
        "gpu": tags.get("lineage.runtime.gpu") or conventions.told("gpu", told),
        "packages": packages_digest(files),
    }
    parts = {name: value[:_LONGEST] for name, value in known.items() if value}
    return {"digest": fingerprint(parts), **parts} if parts else None


def fingerprint(parts: Mapping[str, str]) -> str:
    """Return the digest that names the environment of which these parts are known."""
    return f"sha256:{hashlib.sha256(canonical.encode(dict(parts))).hexdigest()}"


def python_of(files: Mapping[str, str]) -> str | None:
    """Return the version of Python that environment files ask for."""
    for name in ("python_env.yaml", "conda.yaml"):
        if found := _PYTHON.search(files.get(name, "")):
            return found[1]
    return None


def packages_digest(files: Mapping[str, str]) -> str | None:
    """Return the digest of what ``requirements.txt`` asks for, else of what ``conda.yaml`` does; None without either.

    Comments, empty lines and the order of lines say nothing about packages, so they do not count.
    """
    for name in ("requirements.txt", "conda.yaml"):
        lines = {line.partition(" #")[0].strip() for line in files.get(name, "").splitlines()}
        wanted = sorted(line for line in lines if line and not line.startswith("#"))
        if wanted:
            return f"sha256:{hashlib.sha256(chr(10).join(wanted).encode()).hexdigest()}"
    return None
