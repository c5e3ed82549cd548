"""The plugin's settings, read once from the environment of the MLflow server.

- ``LINEAGE_URL``: address of the lineage service; must be given.
- ``LINEAGE_TOKEN``, or ``LINEAGE_TOKEN_FILE``: the source's token, or a file with it, read again when it changes.
- ``LINEAGE_MLFLOW_APP``: the application to wrap: ``none`` (default), ``basic-auth``, any ``mlflow.app`` entry point.
- ``LINEAGE_MLFLOW_REGISTRY``: the registry's name in keys, ``mlflow`` by default; choose the source's instance name.
- ``LINEAGE_SPOOL``: a folder in which facts wait, ``./lineage-spool`` by default; on a disk that survives a restart.
- ``LINEAGE_ON_OUTAGE``: ``block`` registry writes that cannot be recorded (default), or ``allow`` them with a gap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from collectors.delivery import Token

OWN_APP: Final = "lineage"


class PluginSettingsError(ValueError):
    """The plugin cannot start with these settings; the message says which one and what to write."""


@dataclass(frozen=True, slots=True)
class PluginSettings:
    """How the plugin of one MLflow server is set up."""

    url: str
    token: Token
    app: str
    registry: str
    spool: Path
    block: bool

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> PluginSettings:
        """Read the settings; PluginSettingsError names the first that is missing or wrong."""
        _refuse_what_is_not_offered(environment)
        return cls(
            url=_url(environment),
            token=_token(environment),
            app=_app(environment.get("LINEAGE_MLFLOW_APP", "none")),
            registry=environment.get("LINEAGE_MLFLOW_REGISTRY") or "mlflow",
            spool=_spool(environment.get("LINEAGE_SPOOL") or "./lineage-spool"),
            block=_block(environment.get("LINEAGE_ON_OUTAGE", "block")),
        )

    @property
    def via(self) -> str:
        """How the user was known: by the wrapped application."""
        return f"mlflow-{self.app}"


def _refuse_what_is_not_offered(environment: Mapping[str, str]) -> None:
    """Refuse settings that would be without effect: somebody who set one relies on it."""
    if environment.get("LINEAGE_ENFORCE", "off") != "off":
        raise PluginSettingsError("LINEAGE_ENFORCE is not offered by this release: the plugin records and does not ask")
    if environment.get("LINEAGE_TRUSTED_USER_HEADER"):
        raise PluginSettingsError(
            "LINEAGE_TRUSTED_USER_HEADER is not offered by this release; name the application that authenticates "
            "in LINEAGE_MLFLOW_APP"
        )


def _url(environment: Mapping[str, str]) -> str:
    url = environment.get("LINEAGE_URL", "")
    if not url.startswith(("http://", "https://")):
        raise PluginSettingsError("set LINEAGE_URL to the address of the lineage service, e.g. http://127.0.0.1:8765")
    return url


def _token(environment: Mapping[str, str]) -> Token:
    text, file = environment.get("LINEAGE_TOKEN"), environment.get("LINEAGE_TOKEN_FILE")
    if bool(text) == bool(file):
        raise PluginSettingsError("set LINEAGE_TOKEN or LINEAGE_TOKEN_FILE (and not both); `source add` prints a token")
    return Token(file=Path(file)) if file else Token(text)


def _app(name: str) -> str:
    if name == OWN_APP:
        raise PluginSettingsError(
            "LINEAGE_MLFLOW_APP names the application to wrap, so it cannot be 'lineage' itself; "
            "write none, basic-auth, or the name of another mlflow.app entry point"
        )
    return name or "none"


def _spool(path: str) -> Path:
    if path == "service":
        raise PluginSettingsError(
            "LINEAGE_SPOOL=service (no disk: the service acknowledges each intent) is not offered by this release; "
            "give a folder on a disk that survives a restart"
        )
    return Path(path).absolute()


def _block(word: str) -> bool:
    if word not in ("block", "allow"):
        raise PluginSettingsError(f"LINEAGE_ON_OUTAGE is 'block' or 'allow', not {word!r}")
    return word == "block"
