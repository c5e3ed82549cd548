"""What a repository holds, read with the ``git`` program: its address, its refs, its commits.

Commits come from one ``git log`` whose fields end in NUL, the only byte that no field can hold, so that no name,
message or path can pass for another field. git 2.31 or newer is needed. Rules kept here:

- A commit is given as it is stored: true parents (a shallow clone hides those at its edge), no mailmap. Only
  text is converted to UTF-8, as git does by the encoding a commit names; bytes that are not UTF-8 become U+FFFD.
- Messages are not kept: their SHA-256 tells whether two are the same.
- Signatures are checked only when asked, because it takes a process of the signing program each. That program is the
  one which the repository's own settings name: ask for it only where you trust those. Where it cannot be run, git says
  "none" or even "bad" (2.39), and so nothing is said at all: the read ends with what git complained of.
- Times are seconds since 1970 as the commit claims them; None where git found none.
"""

import hashlib
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from collectors.git.program import GitError, ask, stream
from graph_schema.repository_names import repository_url

__all__ = [
    "Commit", "GitError", "Identity", "Looks", "Repository", "commits", "count", "is_ancestor", "open_repository",
    "present", "resolve",
]  # fmt: skip

_FIELDS: Final = ("%H", "%T", "%P", "%an", "%ae", "%at", "%cn", "%ce", "%ct")
_REF_FOLDERS: Final = ("refs/heads", "refs/tags", "refs/remotes")
_DIGITS = re.compile(rb"\d{1,20}", re.ASCII)
_NAME = re.compile(r"[0-9a-f]{4,64}")
_UNCHECKED = re.compile(rb"^.*(?:cannot run|needs to be configured).*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody as a commit names them; nothing of it was checked by anybody."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit. ``authored_at`` and ``committed_at`` are in seconds since 1970, None if git can read no time.

    ``signature`` is git's letter (``%G?``), empty if it was not asked for. ``changed_paths`` (and ``paths_sha256``,
    over the paths in byte order, each ended by NUL) is against the first parent; None if not asked for, or at the edge
    of a shallow clone, where the parent is missing.
    """

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Identity
    committer: Identity
    authored_at: int | None
    committed_at: int | None
    message_sha256: str
    signature: str = ""
    changed_paths: int | None = None
    paths_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Looks:
    """What is looked at beside what a commit holds: its signature, and the paths it changed (merges too)."""

    signatures: bool = False
    changed_paths: bool = False


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository as it stood when it was opened.

    ``address`` is the normalised URL of its origin (of its only remote, else), or its own absolute path without one.
    ``refs`` maps full names of branches, tags and remote-tracking branches to commits; ``head`` is the commit that is
    checked out. ``edge`` maps the commits at which a shallow clone ends to their true parents; it is empty for a whole
    history.
    """

    folder: Path
    address: str
    refs: Mapping[str, str]
    head: str | None
    edge: Mapping[str, tuple[str, ...]]

    @property
    def tips(self) -> list[str]:
        """The commits from which everything that is read can be reached."""
        return sorted({*self.refs.values()} | ({self.head} if self.head else set()))


def open_repository(folder: Path) -> Repository:
    """Read the address and the refs of the repository that holds ``folder``.

    Raises:
        GitError: if there is no repository, it may not be read, or it holds no commit yet.
    """
    _, output = ask(folder, ["rev-parse", "--path-format=absolute", "--git-common-dir"])
    common = Path(os.fsdecode(output).removesuffix("\n"))
    code, output = ask(folder, ["rev-parse", "--verify", "--quiet", "HEAD^{commit}"], accept=(0, 1))
    head = output.decode().strip() if code == 0 else None
    found = Repository(folder, _address(folder, common), _refs(folder), head, _edge(folder, common))
    if not found.tips:
        raise GitError(f"{folder} is a repository without any commit", "commit something, or fetch, and start again")
    return found


def commits(repository: Repository, wanted: Collection[str], known: Collection[str], looks: Looks) -> Iterator[Commit]:
    """Give every commit that can be reached from ``wanted`` but not from ``known``, parents before their children.

    Args:
        repository: as it was opened; what moved since then is for the next time.
        wanted: full hashes of commits that the repository holds; none gives none.
        known: the same.
        looks: what to look at beside what a commit holds.

    Raises:
        GitError: if git fails on the way, a damaged repository say.
    """
    if not wanted:
        return  # git would take HEAD
    marks = [*_FIELDS, "%G?" if looks.signatures else "", "%B"]
    options = ["--diff-merges=first-parent", "--name-only", "--no-renames"] if looks.changed_paths else []
    # Each commit begins with an empty field, which no path is.
    arguments = [
        "log", "--stdin", "-z", "--topo-order", "--reverse", "--encoding=UTF-8", "--no-show-signature", *options,
        f"--format=tformat:%x00{'%x00'.join(marks)}",
    ]  # fmt: skip
    unchecked = _UNCHECKED if looks.signatures else None
    pieces = stream(repository.folder, arguments, _range(wanted, known), b"\0", unchecked)
    for fields, paths in _grouped(pieces, len(marks)):
        yield _commit(fields, paths if looks.changed_paths else None, repository.edge)


def count(repository: Repository, wanted: Collection[str], known: Collection[str]) -> int:
    """Return how many commits ``commits`` would give."""
    if not wanted:
        return 0
    (number,) = stream(repository.folder, ["rev-list", "--stdin", "--count"], _range(wanted, known), b"\n")
    return int(number)


def _range(wanted: Iterable[str], known: Iterable[str]) -> list[str]:
    return [*sorted(wanted), *(f"^{sha}" for sha in sorted(known))]


def resolve(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the commit that each name means, whole or abbreviated; names of nothing, or of several, are left out.

    Hashes alone are names here: a branch that is called like one is passed over.
    """
    wanted = sorted(name for name in set(names) if _NAME.fullmatch(name))
    lines = [f"{name}^{{commit}}" for name in wanted]
    answers = stream(folder, ["cat-file", "--batch-check=%(objecttype) %(objectname)"], lines, b"\n") if lines else ()
    found: dict[str, str] = {}
    for name, answer in zip(wanted, answers, strict=True):
        kind, _, sha = answer.decode(errors="replace").partition(" ")
        if kind == "commit" and sha.startswith(name):
            found[name] = sha
    return found


def present(folder: Path, shas: Iterable[str]) -> set[str]:
    """Return which of some commits the repository holds; after a force-push, old ones are removed some day."""
    wanted = sorted(set(shas))
    answers = stream(folder, ["cat-file", "--batch-check=%(objecttype)"], wanted, b"\n") if wanted else ()
    return {sha for sha, answer in zip(wanted, answers, strict=True) if answer == b"commit"}


def is_ancestor(folder: Path, old: str, new: str) -> bool:
    """Tell whether ``new`` is ``old`` or came after it; if not, the branch between them was forced."""
    code, _ = ask(folder, ["merge-base", "--is-ancestor", old, new], accept=(0, 1))
    return code == 0


# -------------------------------------------------------------------------------------------------------------- commits


def _grouped(pieces: Iterator[bytes], width: int) -> Iterator[tuple[list[bytes], list[bytes]]]:
    """Group pieces into the fields of a commit and the paths behind them."""
    fields: list[bytes] = []
    paths: list[bytes] = []
    missing = 0
    for piece in pieces:
        if missing:
            fields.append(piece)
            missing -= 1
        elif piece:
            paths.append(piece)
        else:
            if fields:
                yield fields, paths
            fields, paths, missing = [], [], width
    if fields:
        yield fields, paths


def _commit(fields: Sequence[bytes], paths: list[bytes] | None, edge: Mapping[str, tuple[str, ...]]) -> Commit:
    sha, tree, parents, *people, signature, message = fields
    name, email, authored, committer_name, committer_email, committed = people
    own = sha.decode()
    at_edge = own in edge
    counted = None if paths is None or at_edge else _path_list(paths)
    return Commit(
        sha=own,
        tree=tree.decode(),
        parents=edge[own] if at_edge else tuple(parents.decode().split()),
        author=Identity(_text(name), _text(email)),
        committer=Identity(_text(committer_name), _text(committer_email)),
        authored_at=_seconds(authored),
        committed_at=_seconds(committed),
        message_sha256=hashlib.sha256(message).hexdigest(),
        signature=signature.decode(),
        changed_paths=None if counted is None else len(counted),
        paths_sha256=None if counted is None else hashlib.sha256(b"".join(p + b"\0" for p in counted)).hexdigest(),
    )


def _path_list(paths: list[bytes]) -> list[bytes]:
    """Return the paths in byte order; git puts an end of line before the first, which belongs to no name."""
    return sorted([paths[0].removeprefix(b"\n"), *paths[1:]]) if paths else []


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")


def _seconds(raw: bytes) -> int | None:
    return int(raw) if _DIGITS.fullmatch(raw) else None


# ----------------------------------------------------------------------------------------------------------- repository


def _address(folder: Path, common: Path) -> str:
    """Return the address of origin or of the only remote, else the path of the repository."""
    code, output = ask(folder, ["config", "-z", "--get-regexp", r"^remote\..*\.url$"], accept=(0, 1))
    remotes: dict[str, str] = {}
    for entry in output.decode(errors="replace").split("\0") if code == 0 else ():
        key, _, value = entry.partition("\n")
        remotes.setdefault(key.removeprefix("remote.").removesuffix(".url"), value)
    remotes.pop("", None)
    url = remotes.get("origin") or (next(iter(remotes.values())) if len(remotes) == 1 else "")
    own = str(common.parent if common.name == ".git" else common).encode(errors="replace").decode()
    if url.startswith(("./", "../")):
        url = str((Path(own) / url).resolve())
    return repository_url(url) or repository_url(own) or own


def _refs(folder: Path) -> dict[str, str]:
    """Return the commit of every branch and tag. Symbolic refs repeat others; a tag on something else is left out."""
    template = "--format=%(refname)%00%(objectname)%00%(objecttype)%00%(symref)"
    _, output = ask(folder, ["for-each-ref", template, *_REF_FOLDERS])
    found: dict[str, str] = {}
    tags: dict[str, str] = {}
    for line in output.splitlines():
        name, sha, kind, symbolic = (piece.decode(errors="backslashreplace") for piece in line.split(b"\0"))
        if not symbolic and kind in ("commit", "tag"):
            (found if kind == "commit" else tags)[name] = sha
    return found | _peeled(folder, tags)


def _peeled(folder: Path, tags: Mapping[str, str]) -> dict[str, str]:
    """Return the commits to which annotated tags lead, through other tags too."""
    if not tags:
        return {}
    wanted = [f"{sha}^{{commit}}" for sha in tags.values()]
    answers = stream(folder, ["cat-file", "--batch-check=%(objecttype) %(objectname)"], wanted, b"\n")
    pairs = zip(tags, (answer.decode().split(" ") for answer in answers), strict=True)
    return {name: answer[1] for name, answer in pairs if answer[0] == "commit"}


def _edge(folder: Path, common: Path) -> dict[str, tuple[str, ...]]:
    """Return the commits at which a shallow clone ends, with the parents that git hides there."""
    shallow = common / "shallow"
    shas = shallow.read_text(encoding="ascii").split() if shallow.is_file() else []
    found: dict[str, tuple[str, ...]] = {}
    for sha in sorted(set(shas) & present(folder, shas)):
        _, stored = ask(folder, ["cat-file", "commit", sha])
        headers = stored.partition(b"\n\n")[0].split(b"\n")
        found[sha] = tuple(line[7:].decode() for line in headers if line.startswith(b"parent "))
    return found
