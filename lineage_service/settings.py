"""The settings of an installation: one frozen object, read once at a door and passed on as an argument.

A value comes from the environment (``LINEAGE_STORE``), else from ``lineage.toml`` in the current folder
(``store = "…"``), else from the default. Rules kept: every field says what it means, because ``--help`` and the
documentation print these texts; a name nobody knows is never silently ignored (``unknown_names``); names that
Kubernetes injects for a Service called lineage are. Needs the extra ``server``.
"""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

PREFIX: Final = "LINEAGE_"
TOML_FILE: Final = "lineage.toml"
_SQLITE: Final = "sqlite:///"
_LARGEST_PORT: Final = 65535

ELSEWHERE: Final[dict[str, str]] = {
    "LINEAGE_MLFLOW_APP": "read by the MLflow server plugin",
    "LINEAGE_MLFLOW_REGISTRY": "read by the MLflow server plugin and by collect mlflow",
    "LINEAGE_SPOOL": "read by the MLflow server plugin",
    "LINEAGE_ON_OUTAGE": "read by the MLflow server plugin",
    "LINEAGE_ARTIFACTS": "read by the MLflow server plugin",
    "LINEAGE_ARTIFACTS_FILES": "read by the MLflow server plugin",
    "LINEAGE_ARTIFACTS_MIB": "read by the MLflow server plugin",
    "LINEAGE_CONVENTIONS": "read by the MLflow server plugin",
    "LINEAGE_CONTEXT": "read by MLflow's clients",
    "LINEAGE_TRUSTED_USER_HEADER": "read by the MLflow server plugin",
    "LINEAGE_REQUIRE_NEO4J": "read by the tests",
    "LINEAGE_REQUIRE_BROWSER": "read by the tests",
    "LINEAGE_TEST_NEO4J_URL": "read by the tests",
    "LINEAGE_TEST_NEO4J_USER": "read by the tests",
    "LINEAGE_TEST_NEO4J_PASSWORD": "read by the tests",
    "LINEAGE_TEST_NEO4J_CACHE": "read by the tests",
}
"""Names of ours that other programs read."""

_FROM_KUBERNETES: Final = re.compile(r"LINEAGE_(?:.*_)?(?:SERVICE_HOST|SERVICE_PORT|PORT|PORT_.+)")


class Settings(BaseSettings):
    """What an installation, its clients and its collectors are told from outside."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, toml_file=TOML_FILE, frozen=True, extra="forbid", env_ignore_empty=True
    )

    store: str | None = Field(
        None, description="Where ledger and graph are kept: sqlite:///PATH. Default: lineage.db in the data folder."
    )
    data_dir: Path = Field(Path("lineage-data"), description="Folder of the ledger and of what belongs to it.")
    keys_dir: Path | None = Field(
        None, description="Folder of keys and signer state, best on another disk. Default: keys in the data folder."
    )
    origin: str | None = Field(
        None, description="Name of the log for `init`, such as lineage.example.org/prod; a random suffix is added."
    )
    listen: str = Field("127.0.0.1:8765", description="Address and port that `serve` listens on.")
    ack: Literal["committed", "signed"] = Field(
        "signed", description="When a fact is acknowledged if the request does not say: committed, or signed as well."
    )
    signer: Literal["inprocess"] = Field(
        "inprocess", description="Who signs heads: inprocess is the service itself, with a locked state file."
    )
    url: str = Field("http://127.0.0.1:8765", description="Address of the running service, for clients and collectors.")
    token: SecretStr | None = Field(None, description="Token that clients and collectors send; see also the file.")
    token_file: Path | None = Field(None, description="File that holds the token; read again whenever it changed.")
    log: Literal["text", "json"] | None = Field(
        None, description="Form of what `serve` writes on stderr: text or json. Default: text on a terminal, else json."
    )
    trusted_proxies: str = Field(
        "", description="Addresses or networks, with commas between, whose X-Forwarded-* headers are believed."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  we read no .env: one file and the environment
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments before the environment, the environment before the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @field_validator("store")
    @classmethod
    def _refuse_other_stores(cls, text: str | None) -> str | None:
        if text is not None and not (text.startswith(_SQLITE) and len(text) > len(_SQLITE)):
            scheme = text.partition(":")[0]
            raise ValueError(
                f"this release keeps its ledger in SQLite only: give sqlite:///PATH (the store {scheme!r} comes with "
                "another release)"
            )
        return text

    @field_validator("listen")
    @classmethod
    def _refuse_odd_addresses(cls, text: str) -> str:
        host, _, port = text.rpartition(":")
        if not host or not (port.isascii() and port.isdecimal() and int(port) <= _LARGEST_PORT):
            raise ValueError("an address is HOST:PORT, such as 127.0.0.1:8765 or [::1]:8765")
        return text

    @model_validator(mode="after")
    def _refuse_two_tokens(self) -> "Settings":
        if self.token is not None and self.token_file is not None:
            raise ValueError("give LINEAGE_TOKEN or LINEAGE_TOKEN_FILE, and not both")
        return self

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.data_dir / "lineage.db" if self.store is None else Path(self.store.removeprefix(_SQLITE))

    @property
    def keys(self) -> Path:
        """The folder of keys."""
        return self.data_dir / "keys" if self.keys_dir is None else self.keys_dir

    @property
    def host(self) -> str:
        """The address part of ``listen``."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port part of ``listen``."""
        return int(self.listen.rpartition(":")[2])


KNOWN: Final = (*(PREFIX + name.upper() for name in Settings.model_fields), *ELSEWHERE)
"""Every environment variable that means something."""


def unknown_names(environment: Mapping[str, str]) -> dict[str, str | None]:
    """Return each variable with our prefix that means nothing, with the nearest known name if one is near."""
    unknown = [
        name
        for name in sorted(environment)
        if name.startswith(PREFIX) and name not in KNOWN and not _FROM_KUBERNETES.fullmatch(name)
    ]
    return {name: next(iter(difflib.get_close_matches(name, KNOWN, n=1)), None) for name in unknown}
