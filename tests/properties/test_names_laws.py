"""Laws of node keys, for any text in any part of any kind."""

import unicodedata

from hypothesis import example, given
from hypothesis import strategies as st

from graph_schema import names
from graph_schema.key_parts import decode_part, encode_part
from graph_schema.names import Name, NameSyntaxError

NUMBER_OF_PARTS = {
    "dataset": 2,
    "dataset_version": 3,
    "column": 3,
    "job": 2,
    "model": 2,
    "model_version": 4,
    "prompt": 2,
    "prompt_version": 4,
    "logged_model": 2,
    "target": 2,
    "source": 2,
}

# Letters and marks that compose, swap, block each other or never are NFC, with everything that separates parts.
AWKWARD = (
    ":/@%?#. \n\x00\x7f\x85\u2028aeAFqx059<="
    "\u0300\u0301\u0307\u0308\u030d\u0323\u0327\u0328\u0315\u0338\u0345\u0340\u0343\u0344\u3099"
    "\u00e9\u00c5\u212b\u1e9b\u1e69\u1ea5\u017f\u0374\u037e\u0958\u0f73\u0f71\u0f72"
    "\u1100\u1161\u11a8\uac00\uac01\u09c7\u09be\u0b47\u0b56\u1025\u102e\u3046\ufb1d\uf900\U0001d15e\U000110a5\U000110ba"
)

text = st.text(AWKWARD, max_size=12) | st.text(max_size=12)
created = st.just("?") | st.integers(0, 2**53 - 1).map(str)


@st.composite
def any_name(draw: st.DrawFn) -> Name:
    """Give a name of any kind with any text in its parts."""
    kind = draw(st.sampled_from(names.KINDS))
    parts = [draw(text) for _ in range(NUMBER_OF_PARTS.get(kind, 1))]
    if kind in ("model_version", "prompt_version"):
        parts[-1] = draw(created)
    return Name(kind, tuple(parts))


def encoded_by_definition(characters: str) -> str:
    """Encode as the rule is worded: try each character on all that was written since the last starter."""
    written, segment = "", ""
    for character in characters:
        piece = character
        if not unicodedata.is_normalized("NFC", segment + character):
            piece = "".join(f"%{byte:02X}" for byte in character.encode())
        for one in piece:
            segment = segment + one if unicodedata.combining(one) else one
        written += piece
    return written


@given(any_name())
def test_a_name_comes_back_from_its_key(name: Name) -> None:
    key = names.make(name)
    assert names.parse(key) == name
    assert names.make(names.parse(key)) == key
    assert names.kind_of(key) == name.kind


@given(any_name(), any_name())
def test_different_parts_give_different_keys(one: Name, other: Name) -> None:
    assert (names.make(one) == names.make(other)) == (one == other)


@given(any_name())
def test_no_tool_that_normalises_changes_a_key(name: Name) -> None:
    key = names.make(name)
    assert unicodedata.normalize("NFC", key) == key
    assert unicodedata.normalize("NFC", f"x{key}x") == f"x{key}x"


@given(any_name())
def test_a_key_holds_no_control_characters(name: Name) -> None:
    key = names.make(name)
    assert not [character for character in key if unicodedata.category(character) in ("Cc", "Zl", "Zp")]


@given(any_name())
def test_the_canonical_form_of_a_key_is_stable_and_a_key(name: Name) -> None:
    key = names.make(name)
    once = names.canonical(key)
    assert names.canonical(once) == once
    assert names.make(names.parse(once)) == once
    if name.kind not in ("dataset", "dataset_version", "column"):
        assert once == key


@given(st.sampled_from(names.KINDS), text | st.text(":/@%a", max_size=12))
def test_what_is_typed_is_refused_or_mended_for_good(kind: str, rest: str) -> None:
    typed = f"{kind}:{rest}"
    try:
        key = names.canonical(typed)
    except NameSyntaxError:
        return
    assert names.canonical(key) == key
    assert names.make(names.parse(key)) == key


@given(st.sampled_from(names.KINDS), text | st.text(":/@%a0A", max_size=12))
def test_a_text_is_a_key_only_in_its_one_spelling(kind: str, rest: str) -> None:
    key = f"{kind}:{rest}"
    try:
        name = names.parse(key)
    except NameSyntaxError:
        return
    assert names.make(name) == key


@given(text, st.booleans())
def test_a_part_comes_back_and_holds_no_separator(part: str, slash: bool) -> None:
    encoded = encode_part(part, slash=slash)
    assert decode_part(encoded) == part
    assert "::" not in encoded
    assert "@" not in encoded
    assert not encoded.startswith(":")
    assert not encoded.endswith(":")
    assert not (slash and "/" in encoded)


@given(st.text([character for character in AWKWARD if character not in ":@%\n\x00\x7f\x85\u2028"], max_size=12))
@example("\u1e9b\u0323\u0301")
@example("a\u0315\u0301\u0301")
@example("a\u030d\u0301\u212b")
@example("\u1100\u030d\u1161\u11a8\u212b")
@example("\u1100\u1161\u11a8")
def test_what_is_not_nfc_is_found_as_the_rule_is_worded(characters: str) -> None:
    assert encode_part(characters) == encoded_by_definition(characters)


def test_every_character_is_encoded_as_the_rule_is_worded() -> None:
    wrong = []
    for code in (*range(0xA0, 0x2028), *range(0x202A, 0xD800), *range(0xE000, 0x30000)):
        character = chr(code)
        if encode_part(f"e{character}") != encoded_by_definition(f"e{character}"):
            wrong.append(hex(code))
    assert wrong == []


address = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(
        ["", "s3", "s3a", "S3N", "file", "FILE", "hdfs", "dbfs", "postgresql", "https", "abfs", "c", "odd+x"]
    ),
    st.sampled_from([":", "://", ":/", ":///", "://localhost", "://LOCALHOST/", "://a:b@c:d@h", "", "::"]),
    st.text("ab/@:?#%2F. \u00fc", max_size=8),
    st.sampled_from(["", "/", "//"]),
)


@given(address | text, address | text)
@example("s3://a:b@", "")
@example("s3://///a", "")
def test_names_of_datasets_once_brought_together_stay(namespace: str, name: str) -> None:
    known = names.dataset_name(namespace, name)
    assert names.dataset_name(*known) == known


@given(address | text)
def test_the_name_from_an_address_is_the_one_by_which_it_stays_known(uri: str) -> None:
    known = names.dataset_from_uri(uri)
    assert names.dataset_name(*known) == known


@given(
    st.sampled_from(["s3", "postgres", "https", "nats", "file"]), st.text("abc", min_size=1), st.text("ab/", max_size=8)
)
def test_no_password_of_an_address_enters_a_name(scheme: str, user: str, path: str) -> None:
    assert not [part for part in names.dataset_from_uri(f"{scheme}://{user}:secret@host/{path}") if "secret" in part]
