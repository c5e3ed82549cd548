from pathlib import Path

import pytest

from collectors.mlflow.settings import PluginSettings, PluginSettingsError

GOOD = {"LINEAGE_URL": "http://127.0.0.1:8765", "LINEAGE_TOKEN": "lt_1"}


def test_the_defaults() -> None:
    settings = PluginSettings.from_env(GOOD)
    assert (settings.app, settings.registry, settings.block) == ("none", "mlflow", True)
    assert settings.spool == Path.cwd() / "lineage-spool"
    assert settings.token.read() == "lt_1"
    assert settings.via == "mlflow-none"


def test_everything_can_be_set(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("lt_2\n")
    settings = PluginSettings.from_env(
        {
            "LINEAGE_URL": "https://lineage.example",
            "LINEAGE_TOKEN_FILE": str(tmp_path / "token"),
            "LINEAGE_MLFLOW_APP": "basic-auth",
            "LINEAGE_MLFLOW_REGISTRY": "mlflow-prod",
            "LINEAGE_SPOOL": str(tmp_path / "spool"),
            "LINEAGE_ON_OUTAGE": "allow",
        }
    )
    assert (settings.via, settings.registry, settings.block) == ("mlflow-basic-auth", "mlflow-prod", False)
    assert settings.token.read() == "lt_2"


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"LINEAGE_URL": ""}, "set LINEAGE_URL to the address"),
        ({"LINEAGE_URL": "localhost:8765"}, "e.g. http://"),
        ({"LINEAGE_TOKEN": ""}, "LINEAGE_TOKEN_FILE"),
        ({"LINEAGE_TOKEN_FILE": "/run/token"}, "and not both"),
        ({"LINEAGE_ENFORCE": "on"}, "LINEAGE_ENFORCE is not offered"),
        ({"LINEAGE_TRUSTED_USER_HEADER": "X-User"}, "believed from nobody"),
        ({"LINEAGE_TRUSTED_USER_HEADER": "X User"}, "the name of one header"),
        ({"LINEAGE_TRUSTED_USER_HEADER": "X-User", "LINEAGE_TRUSTED_PROXIES": "proxy.local"}, "such as 10.0.0.7"),
        ({"LINEAGE_TRUSTED_USER_HEADER": "X-User", "LINEAGE_TRUSTED_PROXIES": "10.0.0.1/8"}, "host bits"),
        ({"LINEAGE_ON_OUTAGE": "maybe"}, "'block' or 'allow', not 'maybe'"),
        ({"LINEAGE_MLFLOW_APP": "lineage"}, "cannot be 'lineage' itself"),
    ],
)
def test_a_wrong_setting_is_refused_in_words(changed: dict[str, str], sentence: str) -> None:
    with pytest.raises(PluginSettingsError, match=sentence):
        PluginSettings.from_env({**GOOD, **changed})


def test_the_service_can_stand_for_the_disk() -> None:
    assert PluginSettings.from_env({**GOOD, "LINEAGE_SPOOL": "service"}).spool is None


def test_a_header_is_believed_from_addresses_and_networks() -> None:
    set_so = {"LINEAGE_TRUSTED_USER_HEADER": "X-Forwarded-User", "LINEAGE_TRUSTED_PROXIES": "10.0.0.7, 2001:db8::/32"}
    settings = PluginSettings.from_env({**GOOD, **set_so})
    assert settings.user_header == "X-Forwarded-User"
    assert [str(network) for network in settings.proxies] == ["10.0.0.7/32", "2001:db8::/32"]
