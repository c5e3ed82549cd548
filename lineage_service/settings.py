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
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

PREFIX: Final = "LINEAGE_"
TOML_FILE: Final = "lineage.toml"
_SQLITE: Final = "sqlite:///"
_SERVERS: Final = ("neo4j", "neo4j+s", "neo4j+ssc", "bolt", "bolt+s", "bolt+ssc")
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
        None,
        description="Where ledger and graph are kept: sqlite:///PATH, neo4j://HOST:PORT (finds the leader of a "
        "cluster) or bolt://HOST:PORT. Default: lineage.db in the data folder.",
    )
    neo4j_user: str = Field("neo4j", description="Account on the Neo4j server.")
    neo4j_password: SecretStr | None = Field(None, description="Its password; see also the file.")
    neo4j_password_file: Path | None = Field(None, description="File that holds the password of the Neo4j account.")
    neo4j_database: str = Field("neo4j", description="Which database of the Neo4j server.")
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
    signer: Literal["inprocess", "elsewhere"] = Field(
        "inprocess",
        description="Who signs heads: inprocess is this service, with a locked state file; elsewhere is another one "
        "that writes to the same ledger on a server.",
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
        if text is None or (text.startswith(_SQLITE) and len(text) > len(_SQLITE)):
            return text
        address = urlsplit(text)
        if address.scheme not in _SERVERS or not address.hostname:
            raise ValueError("give sqlite:///PATH, neo4j://HOST:PORT or bolt://HOST:PORT")
        if address.username is not None or address.password is not None:
            raise ValueError(
                "an address holds no account: give LINEAGE_NEO4J_USER and LINEAGE_NEO4J_PASSWORD_FILE, since addresses "
                "are shown and logged"
            )
        if address.path.strip("/") or address.query:
            raise ValueError("name the database by LINEAGE_NEO4J_DATABASE; the address is HOST:PORT")
        return text

    @field_validator("listen")
    @classmethod
    def _refuse_odd_addresses(cls, text: str) -> str:
        host, _, port = text.rpartition(":")
        if not host or not (port.isascii() and port.isdecimal() and int(port) <= _LARGEST_PORT):
            raise ValueError("an address is HOST:PORT, such as 127.0.0.1:8765 or [::1]:8765")
        return text

    @model_validator(mode="after")
    def _refuse_two_secrets(self) -> "Settings":
        if self.token is not None and self.token_file is not None:
            raise ValueError("give LINEAGE_TOKEN or LINEAGE_TOKEN_FILE, and not both")
        if self.neo4j_password is not None and self.neo4j_password_file is not None:
            raise ValueError("give LINEAGE_NEO4J_PASSWORD or LINEAGE_NEO4J_PASSWORD_FILE, and not both")
        return self

    @property
    def database(self) -> Path | None:
        """The SQLite file; None where the store is a server."""
        if self.store is None:
            return self.data_dir / "lineage.db"
        return Path(self.store.removeprefix(_SQLITE)) if self.store.startswith(_SQLITE) else None

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
