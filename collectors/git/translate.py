"""From what git holds to facts of the language: pure.

Rules kept here:

- A commit happened at its committer time, in UTC. Its committer acted, as far as the commit claims: assurance
  ``claimed``, issuer ``git``, subject the e-mail address. Without an address nobody is named.
- A time that the language cannot write (none at all, or outside 1970 to 9999) is refused, never moved. A commit dated
  after the moment it was read is recorded at that moment: that it was seen then is true, and its own date is not.
- A ref is a sighting: it was seen at a commit when the read began, and came there after the read before.
- A signature nobody looked at is ``unknown``, not ``none``.
"""

from collections.abc import Mapping
from typing import Any, Final

from collectors.git.observe import Commit, Identity
from graph_schema import times

ISSUER: Final = "git"
MAX_PARENTS: Final = 64
"""Parents in one fact; an octopus with more gives several facts about one commit."""

MAX_IDENTITY: Final = 512
SKEW: Final = 5 * 60 * times.MICROS_PER_SECOND
"""How far a commit may be dated ahead of the clock that reads it, in microseconds; the service refuses more."""

SIGNATURES: Final = {"G": "good", "B": "bad", "N": "none"}
"""git's letters; all others (expired, revoked, unknown key or validity) leave it unknown."""


class CommitTimeError(ValueError):
    """A commit whose dates are no times: ``sha`` names it."""

    def __init__(self, sha: str, problem: str) -> None:
        super().__init__(sha, problem)
        self.sha = sha
        self.problem = problem

    def __str__(self) -> str:
        return f"commit {self.sha}: {self.problem}"


def commit_events(commit: Commit, repository: str, read_at: int) -> list[dict[str, Any]]:
    """Return the facts of one commit: one, unless it has more parents than a fact holds.

    Args:
        commit: as observed.
        repository: the address under which the repository is known.
        read_at: when the read began, in microseconds since 1970.

    Raises:
        CommitTimeError: if its committer or author date is missing or lies outside 1970 to 9999.
    """
    committed = _micros(commit, "committer", commit.committed_at)
    body = {
        "repository": repository,
        "sha": commit.sha,
        "tree": commit.tree,
        "author": _person(commit.author),
        "committer": _person(commit.committer),
        "authored_at": times.format_time(_micros(commit, "author", commit.authored_at)),
        "message": f"sha256:{commit.message_sha256}",
        "signature": SIGNATURES.get(commit.signature, "unknown"),
        "changed_paths": commit.changed_paths,
        "paths": commit.paths_sha256 and f"sha256:{commit.paths_sha256}",
    }
    source = {"event_id": commit.sha}
    at = read_at if is_ahead(commit, read_at) else committed
    parts = [commit.parents[start : start + MAX_PARENTS] for start in range(0, len(commit.parents), MAX_PARENTS)]
    return [
        _event("commit.observed", at, source, _actor(commit.committer), {**body, "parents": list(part)})
        for part in parts or [()]
    ]


def is_ahead(commit: Commit, read_at: int) -> bool:
    """Tell whether a commit is dated so far ahead of the clock that its own date cannot be its time."""
    return commit.committed_at is not None and commit.committed_at * times.MICROS_PER_SECOND > read_at + SKEW


def branch_event(
    repository: str, ref: str, sha: str | None, read_at: int, *, not_before: int | None = None, forced: bool = False
) -> dict[str, Any]:
    """Return the sighting of a branch or tag; no ``sha`` means that it is gone.

    Args:
        repository: the address under which the repository is known.
        ref: the full name, such as ``refs/heads/main``.
        sha: the commit it was seen at.
        read_at: when the read began, in microseconds since 1970.
        not_before: when the read before began, if there was one.
        forced: whether it left the history it had.
    """
    body = {
        "repository": repository,
        "ref": ref,
        "sha": sha,
        "forced": forced or None,
        "not_before": None if not_before is None else times.format_time(not_before),
    }
    return _event("branch.moved", read_at, {}, {"assurance": "observed"}, body)


def report_event(begun: int, read_at: int, cursor_digest: str, problem: str | None) -> dict[str, Any]:
    """Return the report of one read: it covers the time from ``begun`` to the beginning of this read."""
    body = {
        "covered_from": times.format_time(begun),
        "covered_to": times.format_time(read_at),
        "cursor": cursor_digest,
        "problem": problem,
    }
    return _event("collector.reported", read_at, {}, {"assurance": "system"}, body)


def _event(
    kind: str, at: int, source: Mapping[str, str], actor: Mapping[str, str], body: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "type": kind,
        "ev": 1,
        "occurred_at": times.format_time(at),
        "source": dict(source),
        "actor": dict(actor),
        "body": {key: value for key, value in body.items() if value is not None},
    }


def _micros(commit: Commit, whose: str, seconds: int | None) -> int:
    if seconds is None:
        raise CommitTimeError(commit.sha, f"its {whose} date cannot be read")
    micros = seconds * times.MICROS_PER_SECOND
    if not 0 <= micros <= times.MAX_MICROS:
        raise CommitTimeError(commit.sha, f"its {whose} date lies outside 1970 to 9999")
    return micros


def _actor(identity: Identity) -> dict[str, str]:
    if not _is_named(identity):
        return {"assurance": "observed"}
    return {"issuer": ISSUER, "subject": identity.email, "assurance": "claimed"}


def _person(identity: Identity) -> dict[str, str] | None:
    if not _is_named(identity):
        return None
    person = {"issuer": ISSUER, "subject": identity.email, "email": identity.email}
    return person | ({"name": identity.name} if 0 < len(identity.name) <= MAX_IDENTITY else {})


def _is_named(identity: Identity) -> bool:
    """An address that is empty, or longer than any address is, names nobody."""
    return 0 < len(identity.email) <= MAX_IDENTITY
