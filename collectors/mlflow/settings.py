"""The plugin's settings, read once from the environment of the MLflow server.

- ``LINEAGE_URL``: address of the lineage service; must be given.
- ``LINEAGE_TOKEN``, or ``LINEAGE_TOKEN_FILE``: the source's token, or a file with it, read again when it changes.
- ``LINEAGE_MLFLOW_APP``: the application to wrap: ``none`` (default), ``basic-auth``, any ``mlflow.app`` entry point.
- ``LINEAGE_MLFLOW_REGISTRY``: the registry's name in keys, ``mlflow`` by default; choose the source's instance name.
- ``LINEAGE_SPOOL``: a folder in which facts wait, ``./lineage-spool`` by default; on a disk that survives a restart. Or
  ``service``: no disk, and the service acknowledges each intent before the change.
- ``LINEAGE_ARTIFACTS``: what is read of the files of runs and logged models: ``hash`` (default: path, size, SHA-256),
  ``list`` (path and size) or ``off``. Of one run at most ``LINEAGE_ARTIFACTS_FILES`` files (500) are listed, and
  ``LINEAGE_ARTIFACTS_MIB`` MiB (256) read, the smallest files first; a file beyond is listed without its digest.
- ``LINEAGE_CONVENTIONS``: a YAML file that says what the names of parameters and tags mean, instead of the one that
  comes with the plugin (``conventions.yaml``).
- ``LINEAGE_ON_OUTAGE``: ``block`` registry writes that cannot be recorded (default), or ``allow`` them with a gap.
- ``LINEAGE_TRUSTED_USER_HEADER``: the header in which a proxy that authenticates names the user; believed only from
  ``LINEAGE_TRUSTED_PROXIES``, addresses or networks (``10.0.0.0/8``) separated by commas.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, cast

from collectors.delivery import Token
from collectors.mlflow.artifacts import ArtifactWish
from collectors.mlflow.conventions import Conventions, ConventionsError, load, shipped

OWN_APP: Final = "lineage"
_MOST: Final = 100_000
SERVICE: Final = "service"
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]*\Z")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class PluginSettingsError(ValueError):
    """The plugin cannot start with these settings; the message says which one and what to write."""


@dataclass(frozen=True, slots=True)
class PluginSettings:
    """How the plugin of one MLflow server is set up. Without ``spool`` there is no disk: the service takes intents."""

    url: str
    token: Token
    app: str
    registry: str
    spool: Path | None
    block: bool
    artifacts: ArtifactWish = field(default_factory=ArtifactWish)
    conventions: Conventions = field(default_factory=shipped)
    user_header: str | None = None
    proxies: tuple[Network, ...] = ()

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> PluginSettings:
        """Read the settings; PluginSettingsError names the first that is missing or wrong."""
        _refuse_what_is_not_offered(environment)
        header = _header(environment.get("LINEAGE_TRUSTED_USER_HEADER", ""))
        return cls(
            url=_url(environment),
            token=_token(environment),
            app=_app(environment.get("LINEAGE_MLFLOW_APP", "none")),
            registry=environment.get("LINEAGE_MLFLOW_REGISTRY") or "mlflow",
            spool=_spool(environment.get("LINEAGE_SPOOL") or "./lineage-spool"),
            block=_block(environment.get("LINEAGE_ON_OUTAGE", "block")),
            artifacts=_artifacts(environment),
            conventions=_conventions(environment.get("LINEAGE_CONVENTIONS", "")),
            user_header=header,
            proxies=_proxies(environment.get("LINEAGE_TRUSTED_PROXIES", ""), needed=header is not None),
        )

    @property
    def via(self) -> str:
        """How the user was known: by the wrapped application."""
        return f"mlflow-{self.app}"


def _refuse_what_is_not_offered(environment: Mapping[str, str]) -> None:
    """Refuse settings that would be without effect: somebody who set one relies on it."""
    if environment.get("LINEAGE_ENFORCE", "off") != "off":
        raise PluginSettingsError("LINEAGE_ENFORCE is not offered by this release: the plugin records and does not ask")


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


def _spool(path: str) -> Path | None:
    return None if path == SERVICE else Path(path).absolute()


def _header(name: str) -> str | None:
    if name and not _HEADER.match(name):
        raise PluginSettingsError(
            f"LINEAGE_TRUSTED_USER_HEADER is the name of one header, such as X-Forwarded-User, not {name!r}"
        )
    return name or None


def _proxies(text: str, *, needed: bool) -> tuple[Network, ...]:
    """Read addresses and networks; of use only with a header to believe."""
    if not needed:
        return ()
    try:
        found = tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise PluginSettingsError(
            f"LINEAGE_TRUSTED_PROXIES holds addresses or networks such as 10.0.0.7 or 10.0.0.0/8: {error}"
        ) from error
    if not found:
        raise PluginSettingsError(
            "LINEAGE_TRUSTED_USER_HEADER is believed from nobody: name the proxies that set it, "
            "in LINEAGE_TRUSTED_PROXIES"
        )
    return found


def _block(word: str) -> bool:
    if word not in ("block", "allow"):
        raise PluginSettingsError(f"LINEAGE_ON_OUTAGE is 'block' or 'allow', not {word!r}")
    return word == "block"


def _artifacts(environment: Mapping[str, str]) -> ArtifactWish:
    how = environment.get("LINEAGE_ARTIFACTS") or "hash"
    if how not in ("off", "list", "hash"):
        raise PluginSettingsError(f"LINEAGE_ARTIFACTS is 'hash', 'list' or 'off', not {how!r}")
    return ArtifactWish(
        how=cast("Literal['off', 'list', 'hash']", how),
        files=_number(environment, "LINEAGE_ARTIFACTS_FILES", 500),
        mebibytes=_number(environment, "LINEAGE_ARTIFACTS_MIB", 256),
    )


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not (text.isascii() and text.isdigit()) or int(text) > _MOST:
        raise PluginSettingsError(f"{name} is a number from 0 to {_MOST}, not {text!r}")
    return int(text)


def _conventions(path: str) -> Conventions:
    try:
        return load(Path(path)) if path else shipped()
    except ConventionsError as error:
        raise PluginSettingsError(f"LINEAGE_CONVENTIONS: {error}") from error
