"""Words that must not be in the tree: promises instead of work, swallowed errors, and places on somebody's machine."""

import re

import pytest

from tests.architecture.tree import own_files, relative


def whole(cut: str) -> str:
    """Join a word that is written here in halves, so that this file does not find itself."""
    return cut.replace("~", "")


FORBIDDEN = {
    "a promise": re.compile(whole(r"\b(?:TO~DO|FIX~ME|X~XX|HA~CK)\b")),
    "a stub": re.compile(whole(r"\bNotImplemented~Error\b")),
    "a swallowed error": re.compile(whole(r"^\s*except\b[^\n]*:\s*(?:#[^\n]*)?\n?\s*pa~ss\b"), re.MULTILINE),
    "a place on a machine": re.compile(whole(r"(?<![\w.:-])/(?:wo~rk|ro~ot|ho~me/\w+)/")),
}


def words_in(text: str) -> list[str]:
    """Give every forbidden word of a text with its line and with what is wrong with it."""
    return [
        f"line {text.count(chr(10), 0, hit.start()) + 1}: {why}: {hit.group().strip()}"
        for why, pattern in FORBIDDEN.items()
        for hit in pattern.finditer(text)
    ]


def test_no_forbidden_word_is_in_the_tree() -> None:
    texts = {relative(path): path.read_text(encoding="utf-8", errors="replace") for path in own_files()}
    assert texts
    assert [f"{name} {word}" for name, text in texts.items() for word in words_in(text)] == []


@pytest.mark.parametrize(
    "cut",
    [
        "# TO~DO: later",
        "raise NotImplemented~Error",
        "try:\n    f()\nexcept Exception:\n    pa~ss\n",
        "except (OSError, ValueError) as error:  # fine\n    pa~ss\n",
        'open("/wo~rk/file")',
        "cd /ro~ot/x",
    ],
)
def test_a_forbidden_word_is_found(cut: str) -> None:
    assert len(words_in(whole(cut))) == 1


@pytest.mark.parametrize(
    "cut",
    [
        "the framework/ folder",
        "s3://bucket/wo~rk/file",
        "password = 'pass'",
        "except OSError:\n    return None\n",
        "QXXXQ",
    ],
)
def test_a_word_that_only_looks_forbidden_is_let_through(cut: str) -> None:
    assert words_in(whole(cut)) == []
