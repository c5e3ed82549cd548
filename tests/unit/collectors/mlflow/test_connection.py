"""How an MLflow server is entered and what is said when that fails."""

from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from collectors.mlflow.connection import (
    TRIES,
    Access,
    MlflowError,
    MlflowRefusedError,
    MlflowSettingsError,
    MlflowUnavailableError,
    NoMlflowError,
    Server,
)
from tests.unit.collectors.mlflow.stand_in import StandIn

URL = "https://mlflow.test/prefix/"


def entered(tmp_path: Path, environment: Mapping[str, str]) -> str | None:
    """Give the authorization that reaches the server."""
    seen: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("Authorization"))
        return httpx.Response(200, json={})

    access = Access.from_env(URL, environment, tmp_path)
    Server(access, transport=httpx.MockTransport(answer)).get("registered-models/search", {})
    return seen[0]


def test_user_and_password_go_before_a_token_and_the_environment_before_the_file(tmp_path: Path) -> None:
    folder = tmp_path / ".mlflow"
    folder.mkdir()
    (folder / "credentials").write_text("[mlflow]\nmlflow_tracking_username = bob\nmlflow_tracking_password = b%b\n")
    token = {"MLFLOW_TRACKING_TOKEN": "secret-token"}
    assert entered(tmp_path / "elsewhere", token) == "Bearer secret-token"
    assert entered(tmp_path, token) == f"Basic {httpx.BasicAuth('bob', 'b%b')._auth_header.partition(' ')[2]}"
    named = {**token, "MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_PASSWORD": "pw"}
    assert entered(tmp_path, named) == httpx.BasicAuth("ada", "pw")._auth_header
    assert entered(tmp_path / "elsewhere", {}) is None


def test_an_address_with_a_password_is_refused_on_the_command_line_and_hidden_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(MlflowSettingsError, match="MLFLOW_TRACKING_USERNAME") as refused:
        Access.from_env("https://ada:hunter2@mlflow.test", {}, tmp_path)
    assert "hunter2" not in str(refused.value)
    access = Access.from_env(None, {"MLFLOW_TRACKING_URI": "https://ada:hunter2@mlflow.test/"}, tmp_path)
    assert (access.url, access.username, access.password) == ("https://mlflow.test", "ada", "hunter2")
    assert "hunter2" not in repr(access)


@pytest.mark.parametrize("address", ["sqlite:///mlflow.db", "databricks", "./mlruns", ""])
def test_what_is_no_server_is_refused_before_anything_is_sent(tmp_path: Path, address: str) -> None:
    with pytest.raises(MlflowSettingsError):
        Access.from_env(address, {}, tmp_path)


def test_the_workspace_is_sent_and_the_default_one_is_none(tmp_path: Path) -> None:
    assert Access.from_env(URL, {"MLFLOW_WORKSPACE": "default"}, tmp_path).workspace is None
    access = Access.from_env(URL, {"MLFLOW_WORKSPACE": "team"}, tmp_path)
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["X-MLFLOW-WORKSPACE"])
        return httpx.Response(200, json={})

    Server(access, transport=httpx.MockTransport(answer)).get("registered-models/search", {})
    assert seen == ["team"]


def answering(*answers: httpx.Response | Exception) -> tuple[Server, list[float]]:
    """Give a server that answers in turn (the last one for ever), and how long was waited."""
    waited: list[float] = []
    rest = list(answers)

    def answer(_request: httpx.Request) -> httpx.Response:
        found = rest.pop(0) if len(rest) > 1 else rest[0]
        if isinstance(found, Exception):
            raise found
        return found

    access = Access("http://mlflow.test", "ada", "hunter2")
    transport = httpx.MockTransport(answer)
    return Server(access, transport=transport, sleep=waited.append, jitter=lambda: 1.0), waited


def test_a_server_that_fails_for_a_while_is_asked_again_later_and_later() -> None:
    busy = httpx.Response(429, headers={"Retry-After": "7"})
    server, waited = answering(httpx.Response(500), httpx.ConnectError("refused"), busy, httpx.Response(200, json={}))
    assert server.get("registered-models/search", {}) == {}
    assert waited == [0.5, 1.0, 7.0]


def test_a_server_that_goes_on_failing_is_given_up() -> None:
    server, waited = answering(httpx.Response(503))
    with pytest.raises(MlflowUnavailableError, match="503"):
        server.get("registered-models/search", {})
    assert len(waited) == TRIES - 1


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (401, "You are not authenticated", MlflowRefusedError, "MLFLOW_TRACKING_USERNAME"),
        (403, '{"error_code": "PERMISSION_DENIED", "message": "no"}', MlflowRefusedError, "permission"),
        (200, "<html>hello</html>", NoMlflowError, "not as MLflow does"),
        (404, "<html>not found</html>", NoMlflowError, "check the address"),
        (400, '{"error_code": "INVALID_PARAMETER_VALUE", "message": "odd"}', MlflowUnavailableError, "odd"),
    ],
)
def test_an_answer_that_is_final_says_what_to_do(status: int, body: str, kind: type[MlflowError], said: str) -> None:
    server, waited = answering(httpx.Response(status, text=body))
    with pytest.raises(kind, match=said) as refused:
        server.get("registered-models/search", {})
    assert not waited
    assert "hunter2" not in str(refused.value)


def test_a_release_that_is_too_old_is_refused_and_one_that_tells_none_is_read() -> None:
    old, new = StandIn(release="2.8.1"), StandIn(release="2.9.0")
    with pytest.raises(NoMlflowError, match=r"2\.8\.1"):
        old.server().require_supported()
    assert new.server().require_supported() == "2.9.0"
    assert answering(httpx.Response(404, text="nothing here"))[0].require_supported() == "-"


def test_a_certificate_that_is_not_there_is_named(tmp_path: Path) -> None:
    access = Access.from_env(URL, {"MLFLOW_TRACKING_SERVER_CERT_PATH": str(tmp_path / "none.pem")}, tmp_path)
    with pytest.raises(MlflowSettingsError, match="MLFLOW_TRACKING_SERVER_CERT_PATH"):
        Server(access)
