import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer

from collectors.delivery.errors import DeliveryError
from collectors.git import GitError
from lineage_service import errors
from lineage_service.cli import app as door
from lineage_service.cli.exits import TABLE, Exit, ending_of
from lineage_service.client import errors as asked
from lineage_service.client import replies
from lineage_service.ledger.errors import LedgerError
from tests.unit.cli.conftest import Command

ROOTS = (errors.LineageError, LedgerError, asked.ClientError, DeliveryError, GitError)


def family(root: type[Exception]) -> Iterator[type[Exception]]:
    yield root
    for child in root.__subclasses__():
        yield from family(child)


@pytest.mark.parametrize("error", [one for root in ROOTS for one in family(root)], ids=lambda one: one.__name__)
def test_every_error_of_ours_has_an_ending(error: type[Exception]) -> None:
    assert any(cls in TABLE for cls in error.__mro__)


def test_only_what_is_proven_ends_with_1() -> None:
    proven = {error.__name__ for error, ending in TABLE.items() if ending.code is Exit.PROVEN}
    assert proven == {
        "IntegrityError", "SignerRefusedError", "LedgerError", "RolledBackError", "DamageError", "UnfitBackupError",
    }  # fmt: skip


def test_the_codes_are_those_of_the_contract() -> None:
    assert {code.value for code in (ending.code for ending in TABLE.values())} == {1, 2, 64, 65, 69, 77}


def replying(status: int, word: str | None, **headers: str) -> httpx.Response:
    body = {"type": f"urn:problem-type:lineage:{word}", "title": "t", "detail": "because"} if word else "gateway"
    request = httpx.Request("GET", "http://localhost/api/v1/live")
    return httpx.Response(status, json=body, headers=headers, request=request)


@pytest.mark.parametrize(
    ("status", "word", "code"),
    [
        (401, "unauthenticated", 77),
        (403, "not-allowed", 77),
        (404, "not-found", 65),
        (404, "no-such-route", 69),
        (404, None, 69),
        (409, "rolled-back", 1),
        (413, "too-large", 65),
        (422, "invalid-input", 65),
        (500, "integrity", 1),
        (502, None, 69),
        (503, "overloaded", 69),
    ],
)
def test_a_refusal_over_http_ends_as_the_same_refusal_in_this_process(status: int, word: str, code: int) -> None:
    ending = ending_of(replies.error_of(replying(status, word)))
    assert ending is not None
    assert ending.code == code


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let the program have one verb more, which fails."""

    def verb() -> None:
        raise error

    program = typer.Typer()
    program.command()(verb)
    monkeypatch.setattr(door, "app", program)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (errors.StoreUnavailableError("the disk is gone"), 69, "the disk is gone"),
        (errors.IntegrityError("record 3 is not record 3"), 1, "do not write to it"),
        (PermissionError(13, "Permission denied", "rows.csv"), 69, "rows.csv"),
        (ZeroDivisionError("oh"), 2, "a fault of this program: ZeroDivisionError"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_an_error_becomes_a_code_and_three_sentences_and_no_traceback(
    alone: Command, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, said: str
) -> None:
    failing(monkeypatch, error)
    ended = alone()
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err
    assert "Traceback" not in ended.err
    if said:
        assert [line.partition(":")[0] for line in ended.err.splitlines()] == ["lineage", "Data", "Next"]


def test_an_error_text_cannot_steer_a_terminal(alone: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, errors.InputError("\x1b[2Jgone\nlineage: all is well"))
    assert "\x1b" not in alone().err


def run(*arguments: str, code: str, folder: Path, **more: Any) -> subprocess.CompletedProcess[bytes]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LINEAGE_")}
    command = [sys.executable, "-W", "error", "-c", code, *arguments]
    return subprocess.run(command, cwd=folder, env=inherited, check=False, stderr=subprocess.PIPE, **more)


def test_without_its_extra_the_command_says_which_one_to_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['typer'] = None; from lineage_service.cli.door import main; main()"
    ended = run("ask", "live", code=code, folder=tmp_path)
    assert ended.returncode == 64
    assert b"pip install 'lineage-service[server]'" in ended.stderr
    assert b"Traceback" not in ended.stderr


def test_the_door_itself_needs_no_extra(tmp_path: Path) -> None:
    code = "import sys; import lineage_service.cli.door; print(sorted({'typer', 'rich', 'fastapi'} & set(sys.modules)))"
    assert run(code=code, folder=tmp_path, stdout=subprocess.PIPE).stdout.strip() == b"[]"


@pytest.mark.parametrize("arguments", [["doctor"], ["doctor", "--json"], ["--version"], ["--help"]])
def test_a_reader_who_leaves_early_is_no_proof_of_tampering(tmp_path: Path, arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    code = "from lineage_service.cli.door import main; main()"
    try:
        ended = run(*arguments, code=code, folder=tmp_path, stdout=writing)
    finally:
        os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, b"")
