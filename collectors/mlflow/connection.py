"""Reading an MLflow server over its REST interface: credentials, TLS, patience, and what goes wrong in words.

Plain HTTP and not MLflow's client: eight read-only routes, no 140 MB of dependencies, and the same for every server
from 2.9 on. Rules kept here:

- Credentials come from where MLflow's own client takes them: ``MLFLOW_TRACKING_USERNAME`` and ``_PASSWORD``, else
  ``~/.mlflow/credentials``, else ``MLFLOW_TRACKING_TOKEN``. They never enter a message, and never the command line.
- 408, 429, 500, 502, 503, 504 and broken connections are tried again, later and later, ``Retry-After`` obeyed. Any
  other answer is final: every request here only reads, so a repeat does no harm.
- Whatever is no JSON of MLflow is said to be no MLflow server.
"""

from __future__ import annotations

import configparser
import random
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import httpx
import orjson

OLDEST: Final = (2, 9)
WORKSPACE_HEADER: Final = "X-MLFLOW-WORKSPACE"
DEFAULT_WORKSPACE: Final = "default"
TRIES: Final = 6
LONGEST_WAIT: Final = 30.0
_FIRST_WAIT: Final = 0.5
_TIMEOUT: Final = httpx.Timeout(120.0, connect=10.0)
_AGAIN: Final = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
_TRUE: Final = frozenset({"true", "1"})
_NO_ROUTE: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})


class MlflowError(Exception):
    """An MLflow server could not be read; the message says what to do."""


class MlflowSettingsError(MlflowError):
    """The address or a credential is missing or of a kind that is not offered."""


class MlflowUnavailableError(MlflowError):
    """The server cannot be reached, or goes on failing."""


class MlflowRefusedError(MlflowError):
    """The server does not know the credential, or does not let it read."""


class NoMlflowError(MlflowError):
    """Whoever answers is no MLflow server, or one that is too old."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where a server is and how it is entered. Prints without the secret."""

    url: str
    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    workspace: str | None = None
    verify: bool | str = True
    certificate: str | None = None

    @classmethod
    def from_env(cls, url: str | None, environment: Mapping[str, str], home: Path) -> Access:
        """Read what MLflow's own client reads; MlflowSettingsError says what is missing or not offered."""
        if url and urlsplit(url).username:
            raise MlflowSettingsError(
                "an address on the command line is seen by everybody on this machine: leave user and password out, and "
                "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            )
        address, user, password = _address(url or environment.get("MLFLOW_TRACKING_URI", ""))
        in_file = _in_file(home / ".mlflow" / "credentials")
        for name in ("MLFLOW_TRACKING_AWS_SIGV4", "MLFLOW_TRACKING_AUTH"):
            if environment.get(name, "false").lower() not in ("", "false", "0"):
                raise MlflowSettingsError(f"{name} is not offered here; read the server through a proxy that signs")
        insecure = environment.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in _TRUE
        workspace = environment.get("MLFLOW_WORKSPACE", "").strip()
        return cls(
            url=address,
            username=environment.get("MLFLOW_TRACKING_USERNAME") or in_file.get("username") or user,
            password=environment.get("MLFLOW_TRACKING_PASSWORD") or in_file.get("password") or password,
            token=environment.get("MLFLOW_TRACKING_TOKEN", ""),
            workspace=None if workspace in ("", DEFAULT_WORKSPACE) else workspace,
            verify=False if insecure else environment.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or True,
            certificate=environment.get("MLFLOW_TRACKING_CLIENT_CERT_PATH") or None,
        )


def _address(text: str) -> tuple[str, str, str]:
    """Return an address without user and password, and those two."""
    if not text:
        raise MlflowSettingsError("name the server: lineage collect mlflow URL, or set MLFLOW_TRACKING_URI")
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise MlflowSettingsError(
            f"{parts.scheme or text!r} is no address of an MLflow server: give http://… or https://… (a database or a "
            "folder is read through a server that is started on it)"
        )
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", "")), parts.username or "", parts.password or ""


def _in_file(path: Path) -> dict[str, str]:
    found = configparser.ConfigParser(interpolation=None)
    try:
        if not found.read(path, encoding="utf-8") or "mlflow" not in found:
            return {}
    except (configparser.Error, OSError, UnicodeDecodeError) as error:
        raise MlflowSettingsError(f"{path} cannot be read ({type(error).__name__}); mend it or move it away") from error
    return {name: found["mlflow"].get(f"mlflow_tracking_{name}") or "" for name in ("username", "password")}


class Server:
    """One MLflow server. Used by one thread at a time. ``server_time`` is its clock as it last told, in seconds."""

    def __init__(
        self,
        access: Access,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], object] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Nothing is sent yet; MlflowSettingsError for a certificate that cannot be read."""
        self.access = access
        self.server_time: float | None = None
        self.retried = 0
        self._sleep = sleep
        self._jitter = jitter
        headers = {WORKSPACE_HEADER: access.workspace} if access.workspace else {}
        if access.username and access.password:
            auth: httpx.Auth | None = httpx.BasicAuth(access.username, access.password)
        else:
            auth = None
            headers |= {"Authorization": f"Bearer {access.token}"} if access.token else {}
        self._client = httpx.Client(
            transport=transport, auth=auth, headers=headers, timeout=_TIMEOUT, verify=_tls(access), trust_env=True
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, path: str, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the answer to a GET below ``/api/2.0/mlflow/``; None if the server has no such thing."""
        return self._answer("GET", path, params=dict(parameters))

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the answer to a search sent by POST; None if the server has no such route."""
        return self._answer("POST", path, content=orjson.dumps(body), headers={"Content-Type": "application/json"})

    def require_supported(self) -> str:
        """Return the server's version, or a dash where it tells none; NoMlflowError if it is older than 2.9."""
        response = self._send("GET", f"{self.access.url}/version")
        text = response.text.strip() if response.status_code == HTTPStatus.OK else ""
        numbers = text.split(".")[:2]
        if not all(part.isdecimal() for part in numbers) or len(numbers) != len(OLDEST):
            return "-"  # a managed server may have no such page
        if tuple(int(part) for part in numbers) < OLDEST:
            raise NoMlflowError(f"{self.access.url} is MLflow {text}; the oldest that can be read is 2.9")
        return text

    def _answer(self, method: str, path: str, **request: Any) -> dict[str, Any] | None:
        response = self._send(method, f"{self.access.url}/api/2.0/mlflow/{path}", **request)
        try:
            value = orjson.loads(response.content)
        except orjson.JSONDecodeError:
            value = None
        if response.status_code == HTTPStatus.OK and isinstance(value, dict):
            return value
        self._refuse(response, path, value if isinstance(value, dict) else {})
        if isinstance(value, dict) and value.get("error_code"):
            if response.status_code == HTTPStatus.NOT_FOUND:
                return None
            raise MlflowUnavailableError(
                f"{self.access.url} answers {response.status_code} to {path}: {str(value.get('message'))[:300]}"
            )
        if response.status_code in _NO_ROUTE and not path.startswith("registered-models"):
            return None
        raise NoMlflowError(
            f"{self.access.url} answers {response.status_code} to {path}, and not as MLflow does; check the address "
            "(of the server itself, with the prefix it is served under)"
        )

    def _refuse(self, response: httpx.Response, path: str, told: Mapping[str, Any]) -> None:
        """Raise if the answer is that of a server that does not let us in."""
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            given = self.access.username or self.access.token
            problem = "does not accept the user or token it was given" if given else "wants to know who asks"
            raise MlflowRefusedError(
                f"{self.access.url} {problem}: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or "
                "MLFLOW_TRACKING_TOKEN, as for MLflow's own client"
            )
        if response.status_code == HTTPStatus.FORBIDDEN:
            raise MlflowRefusedError(
                f"{self.access.url} does not let this user read {path} ({str(told.get('message', ''))[:200]}); give it "
                "the permission to read every model and experiment, or name another in MLFLOW_TRACKING_USERNAME"
            )

    def _send(self, method: str, url: str, **request: Any) -> httpx.Response:
        failure = ""
        for attempt in range(TRIES):
            if attempt:
                self.retried += 1
            try:
                response = self._client.request(method, url, **request)
            except (httpx.TransportError, httpx.InvalidURL) as error:
                failure, wait = f"{type(error).__name__}: {error}", 0.0
            else:
                self._note_time(response)
                if response.status_code not in _AGAIN:
                    return response
                failure, wait = f"it answers {response.status_code}", _asked_wait(response)
            if attempt + 1 < TRIES:
                longest = min(LONGEST_WAIT, _FIRST_WAIT * 2.0**attempt)
                self._sleep(max(longest * (0.5 + self._jitter() / 2), wait))
        raise MlflowUnavailableError(f"{self.access.url} could not be read, tried {TRIES} times ({failure})")

    def _note_time(self, response: httpx.Response) -> None:
        try:
            self.server_time = parsedate_to_datetime(response.headers["Date"]).timestamp()
        except (KeyError, ValueError):
            self.server_time = None


def _asked_wait(response: httpx.Response) -> float:
    text = response.headers.get("Retry-After", "")
    return min(float(text), LONGEST_WAIT) if text.isdecimal() else 0.0


def _tls(access: Access) -> ssl.SSLContext | bool:
    try:
        if access.verify is False:
            context = httpx.create_ssl_context(verify=False)
        else:
            context = ssl.create_default_context(cafile=access.verify if isinstance(access.verify, str) else None)
        if access.certificate:
            context.load_cert_chain(access.certificate)
    except (OSError, ssl.SSLError) as error:
        raise MlflowSettingsError(
            f"a certificate named by MLFLOW_TRACKING_SERVER_CERT_PATH or MLFLOW_TRACKING_CLIENT_CERT_PATH cannot be "
            f"read ({error})"
        ) from error
    return context
