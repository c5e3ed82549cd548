"""What the environment of a training script tells of itself, as tags of every run: nobody writes a line of code.

MLflow loads ``LineageRunContext`` by its entry point (``mlflow.run_context_provider``) in every process that starts a
run, so this module is held to a few rules: little beside the standard library, nothing done at import, never an error,
at most one ``git`` that gets one second. All of it is what the client says about itself, and is recorded as a claim.

======================================  =============================================================================
tags                                    from
======================================  =============================================================================
lineage.ci.system, .run_url             the variables that each CI system documents (``ci_context``)
lineage.actor.issuer, .subject          who triggered the CI run
lineage.airflow.dag_id, .task_id, …     ``AIRFLOW_CTX_…``, which Airflow sets for every task
lineage.openlineage.parent_run, …_job   ``OPENLINEAGE_PARENT_ID`` (namespace/job/run), as Airflow's macro
                                        ``lineage_parent_id`` gives it, or ``OPENLINEAGE_PARENT_RUN_ID``
lineage.git.commit, .branch,            the repository around the script, or around the folder of a notebook;
.repository, .dirty                     dirty: a tracked file differs from the commit
lineage.runtime.python, .os, .gpu       the interpreter, ``os-release``, ``/proc/driver/nvidia``
======================================  =============================================================================

``LINEAGE_CONTEXT=off`` turns it off.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from collectors.ci import pipeline_run

Variables = Mapping[str, str]

GIT_SECONDS: Final = 1.0
FRESH_SECONDS: Final = 10.0
"""How long an answer of git counts: a script that starts runs in a loop asks once, a notebook sees its own changes."""

_LONGEST: Final = 1000
_MOST_OUTPUT: Final = 1_000_000
_AIRFLOW: Final = {
    "AIRFLOW_CTX_DAG_ID": "dag_id",
    "AIRFLOW_CTX_TASK_ID": "task_id",
    "AIRFLOW_CTX_DAG_RUN_ID": "run_id",
    "AIRFLOW_CTX_TRY_NUMBER": "try_number",
    "AIRFLOW_CTX_EXECUTION_DATE": "logical_date",
    "AIRFLOW_CTX_LOGICAL_DATE": "logical_date",
}
_RUN_ID = re.compile(r"[0-9a-fA-F-]{8,64}\Z")
_CREDENTIALS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^/@\s]*@")


class LineageRunContext:
    """MLflow's run context provider: ``in_context`` says whether there is anything to tell, ``tags`` tells it."""

    def in_context(self) -> bool:
        """Tell whether tags are wanted."""
        return os.environ.get("LINEAGE_CONTEXT", "on") != "off"

    def tags(self) -> dict[str, str]:
        """Return the tags of a run that begins now; {} if anything at all goes wrong."""
        try:
            return context_tags(os.environ, _git(str(_folder()), int(time.monotonic() // FRESH_SECONDS)), machine())
        except Exception:  # noqa: BLE001  a training script never fails, nor warns, for the sake of a tag
            return {}


def context_tags(environment: Variables, git: Mapping[str, str], runtime: Mapping[str, str]) -> dict[str, str]:
    """Return all tags that an environment, a repository and a machine give."""
    ci = ci_context(environment) or {}
    found = {
        "ci.system": ci.get("system"),
        "ci.run_url": ci.get("url"),
        "actor.issuer": ci.get("issuer") if ci.get("subject") else None,
        "actor.subject": ci.get("subject"),
        **{f"airflow.{name}": environment.get(variable) for variable, name in _AIRFLOW.items()
           if environment.get(variable)},
        **{f"openlineage.{name}": value for name, value in openlineage_parent(environment).items()},
        **{f"git.{name}": value for name, value in git.items()},
        **{f"runtime.{name}": value for name, value in runtime.items()},
    }  # fmt: skip
    return {f"lineage.{name}": value[:_LONGEST] for name, value in found.items() if value}


# ------------------------------------------------------------------------------------------------------------------ CI


def ci_context(environment: Variables) -> Mapping[str, str] | None:
    """Return the CI run that an environment belongs to: system, url, and issuer and subject of who triggered it.

    None outside of every system that ``collectors.ci`` knows; what a system does not tell is left out.
    """
    run = pipeline_run(environment)
    if run is None:
        return None
    told = {"system": run.system, "url": run.address, "issuer": run.issuer, "subject": run.human}
    return {name: value for name, value in told.items() if value}


# --------------------------------------------------------------------------------------------------------- OpenLineage


def openlineage_parent(environment: Variables) -> dict[str, str]:
    """Return run and job of the OpenLineage run that this process is a part of; {} without one.

    The namespace may hold slashes, and the name of a job with one is not told apart from it: only the run counts.
    """
    whole = environment.get("OPENLINEAGE_PARENT_ID", "")
    job, _, run = whole.rpartition("/")
    if not job:
        run = environment.get("OPENLINEAGE_PARENT_RUN_ID", "")
        parts = (environment.get(f"OPENLINEAGE_PARENT_JOB_{name}", "") for name in ("NAMESPACE", "NAME"))
        job = "/".join(part for part in parts if part)
    if not _RUN_ID.match(run):
        return {}
    return {"parent_run": run.lower(), **({"parent_job": job} if job else {})}


# ----------------------------------------------------------------------------------------------------------------- git


def _folder() -> Path:
    """Return the folder of the script that runs, as MLflow does; of a notebook or console, the working folder."""
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    return Path(script).resolve().parent if script else Path.cwd()


@functools.lru_cache(maxsize=8)
def _git(folder: str, _moment: int) -> dict[str, str]:
    """Return what a repository tells, remembered for some seconds."""
    return {} if folder in _slow else git_facts(Path(folder))


_slow: Final[set[str]] = set()
"""Folders in which git took too long: it is not asked there again."""


def git_facts(folder: Path) -> dict[str, str]:
    """Return commit, branch, repository and whether a tracked file differs; {} outside of a repository."""
    if (top := _top(folder)) is None:
        return {}
    # Optional locks would make this a writer; a file monitor is a program that the repository names.
    command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "status", "--porcelain=v2", "--branch"]
    command += ["--untracked-files=no", "--ignore-submodules=all"]
    try:
        asked = subprocess.run(  # noqa: S603  a constant command
            command, cwd=folder, capture_output=True, timeout=GIT_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        _slow.add(str(folder))
        return {}
    except OSError:
        return {}  # no git here
    text = asked.stdout[:_MOST_OUTPUT].decode("utf-8", "replace")
    return _status(text, _remote(top)) if asked.returncode == 0 else {}


def _status(text: str, remote: str) -> dict[str, str]:
    """Read the output of ``git status --porcelain=v2 --branch``."""
    heads = dict(line[2:].split(" ", 1) for line in text.splitlines() if line.startswith("# ") and " " in line[2:])
    commit, branch = heads.get("branch.oid", ""), heads.get("branch.head", "")
    if not re.fullmatch("[0-9a-f]{40,64}", commit):
        return {}
    changed = any(line and not line.startswith("#") for line in text.splitlines())
    found = {"commit": commit, "branch": "" if branch == "(detached)" else branch, "repository": remote}
    return {**{name: value for name, value in found.items() if value}, "dirty": "true" if changed else "false"}


def _top(folder: Path) -> Path | None:
    """Return the git folder that a work tree belongs to."""
    for place in (folder, *folder.parents):
        found = place / ".git"
        if found.is_dir():
            return found
        if found.is_file():
            target = found.read_text(encoding="utf-8", errors="replace")[:4096].partition("gitdir:")[2].strip()
            return (place / target).resolve() if target else None
    return None


def _remote(top: Path) -> str:
    """Return the address of ``origin``, without credentials; empty if there is none."""
    with contextlib.suppress(OSError):
        shared = top / "commondir"
        if shared.is_file():
            top = (top / shared.read_text(encoding="utf-8").strip()).resolve()
        config = (top / "config").read_text(encoding="utf-8", errors="replace")[:_MOST_OUTPUT]
        section = re.search(r'^\s*\[remote "origin"\]\s*\n((?:(?!\s*\[).*\n?)*)', config, re.MULTILINE)
        found = re.search(r"^\s*url\s*=\s*(\S+)", section[1], re.MULTILINE) if section else None
        return _CREDENTIALS.sub(r"\g<scheme>", found[1]).partition("?")[0] if found else ""
    return ""


# ------------------------------------------------------------------------------------------------------------- machine


@functools.lru_cache(maxsize=1)
def machine() -> dict[str, str]:
    """Return Python, operating system and graphics cards of this machine, read from files and never from a program."""
    python = ".".join(map(str, sys.version_info[:3]))
    return {"python": python, "os": _system(), "gpu": _cards(Path("/proc/driver/nvidia"))}


def _system() -> str:
    kind = os.uname()
    with contextlib.suppress(OSError):
        lines = Path("/etc/os-release").read_text(encoding="utf-8", errors="replace")[:_MOST_OUTPUT].splitlines()
        told = {name: value.strip("\"'") for name, sign, value in (line.partition("=") for line in lines) if sign}
        if told.get("ID"):
            return f"{told['ID']} {told.get('VERSION_ID', '')} {kind.machine}".replace("  ", " ")
    return f"{kind.sysname} {kind.release} {kind.machine}"


def _cards(folder: Path) -> str:
    """Return the models of NVIDIA's cards as their driver lists them, such as ``2 x NVIDIA A100``."""
    models = sorted(_models(folder))
    return ", ".join(f"{models.count(one)} x {one}" if models.count(one) > 1 else one for one in dict.fromkeys(models))


def _models(folder: Path) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for file in sorted((folder / "gpus").glob("*/information"))[:64]:
            found: Any = re.search(r"^Model:\s*(.+?)\s*$", file.read_text(errors="replace"), re.MULTILINE)
            if found:
                yield found[1]
