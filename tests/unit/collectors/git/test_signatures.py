"""Signatures as git checks them, with a real key each: of ssh, which needs no other program, and of gpg."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from collectors.git import GitError
from tests.unit.collectors.git.repositories import Scratch, of, read


@dataclass(frozen=True)
class Key:
    """A key of ssh and the line by which it is trusted."""

    path: Path

    @property
    def public(self) -> str:
        return self.path.with_suffix(".pub").read_text()


def ssh_key(path: Path) -> Key:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path), "-C", "grace"], check=True)
    return Key(path)


@pytest.fixture
def key(scratch: Scratch, tmp_path: Path) -> Key:
    made = ssh_key(tmp_path / "key")
    scratch.git("config", "gpg.format", "ssh")
    scratch.git("config", "user.signingKey", str(made.path))
    return made


def trust(scratch: Scratch, key: Key, options: str = "") -> None:
    allowed = scratch.folder / ".git" / "allowed"
    allowed.write_text(f"grace@example.com {options} {key.public}")
    scratch.git("config", "gpg.ssh.allowedSignersFile", str(allowed))


def signed(scratch: Scratch, message: str = "signed") -> str:
    at = "1700000000 +0000"
    sign = ("commit", "--quiet", "--allow-empty", "--gpg-sign", "-m", message)
    scratch.git(*sign, GIT_AUTHOR_DATE=at, GIT_COMMITTER_DATE=at)
    return scratch.git("rev-parse", "HEAD")


def judged(scratch: Scratch, sha: str) -> str:
    bodies = of("commit.observed", read(scratch.folder, signatures=True)[0])
    (found,) = [body["signature"] for body in bodies if body["sha"] == sha]
    return str(found)


def test_a_signature_by_a_trusted_key_is_good_and_a_commit_without_one_has_none(scratch: Scratch, key: Key) -> None:
    trust(scratch, key)
    sha, plain = signed(scratch), scratch.commit("plain")
    assert (judged(scratch, sha), judged(scratch, plain)) == ("good", "none")


def test_a_commit_changed_after_it_was_signed_is_bad(scratch: Scratch, key: Key) -> None:
    trust(scratch, key)
    sha = signed(scratch, "pay 10")
    text = scratch.git("cat-file", "commit", sha) + "\n"
    forged = scratch.stored(text.replace("pay 10", "pay 99").encode())
    scratch.git("update-ref", "refs/heads/forged", forged)
    assert judged(scratch, forged) == "bad"


@pytest.mark.parametrize("options", ["", 'valid-before="20230101"'])
def test_a_signature_by_a_key_nobody_trusts_or_that_was_over_is_unknown(
    scratch: Scratch, key: Key, tmp_path: Path, options: str
) -> None:
    sha = signed(scratch)
    trust(scratch, key if options else ssh_key(tmp_path / "other"), options)
    assert judged(scratch, sha) == "unknown"


def test_where_no_key_is_known_git_would_say_none_so_nothing_is_said(scratch: Scratch, key: Key) -> None:
    sha = signed(scratch)
    assert scratch.git("log", "-1", "--format=%G?", sha) == "N"
    with pytest.raises(GitError, match=r"could not check the signatures.*allowedSignersFile"):
        read(scratch.folder, signatures=True)
    assert [body["signature"] for body in of("commit.observed", read(scratch.folder)[0])] == ["unknown"]


def test_where_the_program_is_missing_git_would_say_bad_so_nothing_is_said(scratch: Scratch, key: Key) -> None:
    trust(scratch, key)
    signed(scratch)
    scratch.git("config", "gpg.ssh.program", "/nowhere/ssh-keygen")
    with pytest.raises(GitError, match="cannot run /nowhere/ssh-keygen"):
        read(scratch.folder, signatures=True)


def test_a_signature_of_gpg_is_checked_against_the_keys_of_whoever_collects(
    scratch: Scratch, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path_factory.mktemp("g", numbered=True)  # short: the agent's socket has a path of at most 107 bytes
    home.chmod(0o700)
    monkeypatch.setenv("GNUPGHOME", str(home))
    make = ["gpg", "--batch", "--quiet", "--passphrase", "", "--quick-gen-key", "Grace <grace@example.com>", "ed25519"]
    try:
        subprocess.run([*make, "sign", "0"], check=True, capture_output=True)
        scratch.git("config", "user.signingKey", "grace@example.com")
        sha = signed(scratch)
        assert judged(scratch, sha) == "good"
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], check=False, capture_output=True)
    empty = tmp_path_factory.mktemp("e")
    empty.chmod(0o700)
    monkeypatch.setenv("GNUPGHOME", str(empty))
    assert judged(scratch, sha) == "unknown"
