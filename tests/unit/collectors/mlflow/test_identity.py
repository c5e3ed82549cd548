import ipaddress
import json

import pytest

from collectors.mlflow.identity import Asked, Ignored, User, claimed_principal, named_by_proxy

PROXIES = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8::7/128"))
HEADER = "X-Forwarded-User"


def asked(*headers: tuple[str, str], peer: str | None = "10.1.2.3", rewritten: bool = False) -> Asked:
    return Asked([(name.lower(), value) for name, value in headers], peer, rewritten)


def found(*headers: tuple[str, str], peer: str | None = "10.1.2.3", rewritten: bool = False) -> User | Ignored | None:
    return named_by_proxy(asked(*headers, peer=peer, rewritten=rewritten), HEADER, PROXIES)


@pytest.mark.parametrize("peer", ["10.1.2.3", "10.255.0.1", "2001:db8::7", "2001:0db8:0:0::7", "::ffff:10.1.2.3"])
def test_a_proxy_in_the_list_is_believed_however_its_address_is_spelt(peer: str) -> None:
    assert found((HEADER, "ada"), peer=peer) == User("ada", "proxy-header")


@pytest.mark.parametrize("peer", ["11.0.0.1", "127.0.0.1", "2001:db8::8", "::ffff:11.0.0.1", "proxy", "", None, "10.1"])
def test_whoever_else_sends_the_header_names_nobody(peer: str | None) -> None:
    ignored = found((HEADER, "ada"), peer=peer)
    assert isinstance(ignored, Ignored)
    assert "not in LINEAGE_TRUSTED_PROXIES" in ignored.reason


def test_an_address_that_a_header_may_have_made_is_not_believed() -> None:
    ignored = found((HEADER, "ada"), rewritten=True)
    assert isinstance(ignored, Ignored)
    assert "FORWARDED_ALLOW_IPS" in ignored.reason


def test_two_headers_and_an_empty_one_name_nobody_and_none_is_no_fault() -> None:
    assert isinstance(found((HEADER, "ada"), (HEADER, "ada")), Ignored)
    assert isinstance(found((HEADER, "  ")), Ignored)
    assert found(("X_Forwarded_User", "ada")) is None
    assert found() is None


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (" ada ", "ada"),
        ("zoë".encode().decode("latin-1"), "zoë"),
        ("zo\xeb", "zo\xeb"),
        ("名前".encode().decode("latin-1"), "名前"),
        ("a b,c", "a b,c"),
    ],
)
def test_a_name_is_read_as_it_was_written(value: str, name: str) -> None:
    assert found((HEADER, value)) == User(name, "proxy-header")


def test_two_long_names_stay_two() -> None:
    one, other = found((HEADER, "x" * 600)), found((HEADER, "x" * 601))
    assert isinstance(one, User)
    assert isinstance(other, User)
    assert one != other
    assert len(one.name) == 512


def behalf(text: str) -> dict[str, str] | None:
    return claimed_principal(asked(("X-Lineage-On-Behalf-Of", text)))


def test_whom_a_machine_acts_for_is_four_texts_and_no_credential() -> None:
    told = {"issuer": "github", "subject": "octo", "via": "actions", "ref": "https://bot:pw@ci.example/1", "x": 1}
    kept = {"issuer": "github", "subject": "octo", "via": "actions", "ref": "https://ci.example/1"}
    assert behalf(json.dumps(told)) == kept
    assert behalf(json.dumps({"issuer": "github", "subject": "octo", "via": 5})) == {
        "issuer": "github", "subject": "octo",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"issuer": "github"}', '{"issuer": "", "subject": "x"}', "[" * 2000, "9" * 3000]
)
def test_what_names_nobody_is_left_out(text: str) -> None:
    assert behalf(text) is None
    assert claimed_principal(asked(("X-Lineage-On-Behalf-Of", text), ("x-lineage-on-behalf-of", text))) is None
