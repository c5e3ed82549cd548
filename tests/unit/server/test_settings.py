"""Settings: environment before file before default; what is wrong is named, what is unknown is not ignored."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from lineage_service.errors import SettingsError, StoreUnavailableError
from lineage_service.server.opening import open_installation, places_of, read_settings
from lineage_service.settings import ELSEWHERE, KNOWN, Settings, unknown_names
from lineage_service.store.address import Address


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in KNOWN:
        monkeypatch.delenv(name, raising=False)


def test_the_defaults_keep_everything_in_one_folder() -> None:
    settings = read_settings()
    assert places_of(settings).database == Path("lineage-data/lineage.db")
    assert places_of(settings).keys == Path("lineage-data/keys")
    assert (settings.host, settings.port, settings.ack) == ("127.0.0.1", 8765, "signed")


def test_the_environment_comes_before_the_file_and_the_file_before_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "lineage.toml").write_text('listen = "127.0.0.1:1"\nack = "committed"\n')
    monkeypatch.setenv("LINEAGE_LISTEN", "127.0.0.1:2")
    settings = read_settings()
    assert (settings.port, settings.ack) == (2, "committed")
    assert read_settings(listen="127.0.0.1:3").port == 3


@pytest.mark.parametrize(
    ("store", "path"),
    [("sqlite:///ledger.db", Path("ledger.db")), ("sqlite:////var/lib/x/ledger.db", Path("/var/lib/x/ledger.db"))],
)
def test_a_store_is_a_sqlite_file(monkeypatch: pytest.MonkeyPatch, store: str, path: Path) -> None:
    monkeypatch.setenv("LINEAGE_STORE", store)
    assert read_settings().database == path


@pytest.mark.parametrize("store", ["neo4j://localhost:7687", "bolt://localhost", "neo4j+s://db.example"])
def test_a_store_is_a_server_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, store: str) -> None:
    monkeypatch.setenv("LINEAGE_STORE", store)
    (tmp_path / "password").write_text("of the account\n")
    monkeypatch.setenv("LINEAGE_NEO4J_PASSWORD_FILE", str(tmp_path / "password"))
    settings = read_settings()
    assert settings.database is None
    assert places_of(settings).database == Address(store, "neo4j", "of the account", "neo4j")


@pytest.mark.parametrize("store", ["postgres://x", "sqlite:///", "file", "neo4j://", "bolt:localhost"])
def test_any_other_store_is_refused_with_those_there_are(monkeypatch: pytest.MonkeyPatch, store: str) -> None:
    monkeypatch.setenv("LINEAGE_STORE", store)
    with pytest.raises(SettingsError, match=r"LINEAGE_STORE: .*give sqlite:///PATH, neo4j://HOST:PORT or bolt:"):
        read_settings()


@pytest.mark.parametrize("store", ["neo4j://neo4j:secret@localhost", "bolt://neo4j@localhost:7687"])
def test_an_address_holds_no_account(monkeypatch: pytest.MonkeyPatch, store: str) -> None:
    monkeypatch.setenv("LINEAGE_STORE", store)
    with pytest.raises(SettingsError, match=r"LINEAGE_STORE: .*an address holds no account") as caught:
        read_settings()
    assert "secret" not in str(caught.value)


def test_a_server_asks_for_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINEAGE_STORE", "neo4j://localhost:7687")
    with pytest.raises(SettingsError, match="asks for a password: give its file as LINEAGE_NEO4J_PASSWORD_FILE"):
        places_of(read_settings())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LINEAGE_LISTEN", "8765"),
        ("LINEAGE_LISTEN", "localhost:http"),
        ("LINEAGE_LISTEN", "localhost:99999"),
        ("LINEAGE_ACK", "witnessed"),
        ("LINEAGE_SIGNER", "unix:/run/signer"),
    ],
)
def test_a_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        read_settings()


def test_two_tokens_are_one_too_many_and_neither_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINEAGE_TOKEN", "lin_secret")
    monkeypatch.setenv("LINEAGE_TOKEN_FILE", "token")
    with pytest.raises(SettingsError, match="LINEAGE_TOKEN") as caught:
        read_settings()
    assert "secret" not in str(caught.value)


def test_a_token_is_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINEAGE_TOKEN", "lin_secret")
    assert "secret" not in repr(read_settings())


@pytest.mark.parametrize("text", ["listen = ", "colour = 1\n", b"\xff\xfe"])
def test_a_file_that_cannot_be_meant_is_refused(tmp_path: Path, text: str | bytes) -> None:
    (tmp_path / "lineage.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingsError):
        read_settings()


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINEAGE_LISTEN", "")
    assert read_settings().port == 8765


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        read_settings().ack = "committed"  # type: ignore[misc]


def test_every_setting_says_what_it_means() -> None:
    assert [name for name, field in Settings.model_fields.items() if not (field.description or "").endswith(".")] == []


def test_an_unknown_name_is_told_with_the_nearest_known_one() -> None:
    assert unknown_names({"LINEAGE_LISTN": "x", "LINEAGE_ZZZZZZZZZZZZ": "x", "LISTEN": "x"}) == {
        "LINEAGE_LISTN": "LINEAGE_LISTEN",
        "LINEAGE_ZZZZZZZZZZZZ": None,
    }


@pytest.mark.parametrize(
    "name",
    [
        "LINEAGE_SERVICE_HOST",
        "LINEAGE_SERVICE_PORT",
        "LINEAGE_SERVICE_PORT_HTTP",
        "LINEAGE_PORT",
        "LINEAGE_PORT_8765_TCP",
        "LINEAGE_PORT_8765_TCP_ADDR",
        "LINEAGE_WEB_SERVICE_HOST",
        "LINEAGE_STORE",
        *ELSEWHERE,
    ],
)
def test_what_kubernetes_injects_and_what_others_read_is_not_unknown(name: str) -> None:
    assert unknown_names({name: "tcp://10.0.0.1:8765"}) == {}


def test_opening_without_a_ledger_says_what_to_run() -> None:
    with pytest.raises(StoreUnavailableError, match="lineage init"):
        open_installation(read_settings())
