"""How the ``git`` program is run: from lists, in a known environment, without a network, as a stream.

Rules kept here:

- The repository is the one that was asked for: variables that point git elsewhere (hooks set them) are left out.
- git's refusal of a repository of another owner (``safe.directory``) stands. Whoever runs the collector may lift it
  with the command in the error; we never do.
- Nothing is written and nothing is fetched: no optional locks, no transport, no prompt. Replacement objects and grafts
  are off: a commit is what its hash says.
- Output is read as it comes, so that a long history is never held in memory.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final

_ELSEWHERE: Final = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_DIR",
        "GIT_INDEX_FILE",
        "GIT_NAMESPACE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
    }
)
_FIXED: Final = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
# The second is about the empty file of grafts that is given above.
_SETTINGS: Final = ("-c", "log.showRoot=true", "-c", "advice.graftFileDeprecated=false")
_BLOCK: Final = 1 << 16
_SAFE_DIRECTORY = re.compile(r"git config --global --add safe\.directory \S.*")


class GitError(Exception):
    """A repository that cannot be read: ``problem`` says what happened, ``remedy`` what to do."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem}; {self.remedy}"


def ask(folder: Path, arguments: Sequence[str], *, accept: Sequence[int] = (0,)) -> tuple[int, bytes]:
    """Run git to its end and return exit code and output, both small.

    Raises:
        GitError: if git is missing, or ends with a code that is not in ``accept``.
    """
    with tempfile.TemporaryFile() as complaints:
        with _started(folder, arguments, subprocess.DEVNULL, complaints) as program:
            output, _ = program.communicate()
        if program.returncode not in accept:
            raise _failure(folder, complaints)
    return program.returncode, output


def stream(
    folder: Path,
    arguments: Sequence[str],
    lines: Sequence[str],
    separator: bytes,
    unchecked: re.Pattern[bytes] | None = None,
) -> Iterator[bytes]:
    """Run git with ``lines`` on its standard input and give its output, cut at ``separator``, as it comes.

    A reader that stops early ends the program. A complaint that fits ``unchecked`` ends it too, before anything that
    was written after the complaint is given.

    Raises:
        GitError: if git is missing or fails; what it gave before that has been given.
    """
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as complaints:
        given.write("".join(f"{line}\n" for line in lines).encode())
        given.seek(0)
        with _started(folder, arguments, given, complaints) as program:
            try:
                yield from _cut(_blocks(folder, program.stdout, complaints, unchecked), separator)
            except BaseException:
                program.kill()
                raise
        if program.returncode != 0:
            raise _failure(folder, complaints)


def _blocks(
    folder: Path, output: IO[bytes] | None, complaints: IO[bytes], unchecked: re.Pattern[bytes] | None
) -> Iterator[bytes]:
    looked = 0
    while output and (block := output.read(_BLOCK)):
        if unchecked:
            # Read where git does not write: the program shares the place in the file with us.
            text = os.pread(complaints.fileno(), _BLOCK, looked)
            if found := unchecked.search(text):
                raise GitError(
                    f"git could not check the signatures of {folder}: {found[0].decode(errors='replace')}",
                    "set gpg.program, gpg.ssh.program or gpg.ssh.allowedSignersFile, or leave out --signatures",
                )
            looked += max(text.rfind(b"\n") + 1, 0)
        yield block


def _cut(blocks: Iterator[bytes], separator: bytes) -> Iterator[bytes]:
    held: list[bytes] = []
    for block in blocks:
        first, *others = block.split(separator)
        held.append(first)
        if others:
            yield b"".join(held)
            yield from others[:-1]
            held = [others[-1]]
    if any(held):
        yield b"".join(held)


def _started(
    folder: Path, arguments: Sequence[str], given: IO[bytes] | int, complaints: IO[bytes]
) -> subprocess.Popen[bytes]:
    command = ["git", "-C", str(folder.absolute()), "--no-pager", *_SETTINGS, *arguments]
    inherited = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    try:
        return subprocess.Popen(  # noqa: S603  a list; what users give is the folder, which stands behind -C
            command, env=inherited | _FIXED, stdin=given, stdout=subprocess.PIPE, stderr=complaints
        )
    except FileNotFoundError:
        raise GitError("the program git was not found", "install git 2.31 or newer and put it on the PATH") from None


def _failure(folder: Path, complaints: IO[bytes]) -> GitError:
    """Turn git's complaint into what happened and what to do."""
    complaints.seek(0)
    text = complaints.read(_BLOCK).decode(errors="replace").strip()
    if found := _SAFE_DIRECTORY.search(text):
        return GitError(
            f"git refuses to read {folder}: it belongs to another user",
            f"run the collector as its owner, or allow it with: {found[0].strip()}",
        )
    if "not a git repository" in text:
        return GitError(
            f"{folder} is not a git repository",
            "give the folder of a repository, or make a copy of one with: git clone --mirror URL FOLDER",
        )
    if "cannot change to" in text:
        return GitError(f"{folder} is not a folder that can be entered", "check its name and its permissions")
    if "promisor remote" in text:
        return GitError(
            f"{folder} is a partial clone and lacks what was asked for, and nothing is fetched here",
            "complete it with: git fetch --refetch --no-filter, or clone it without --filter",
        )
    lines = text.splitlines()
    first = next((line for line in lines if line.startswith(("fatal:", "error:"))), text[:200] or "it gave no reason")
    return GitError(f"git could not read {folder}: {first}", f"run git -C {folder} fsck to see what is wrong")
