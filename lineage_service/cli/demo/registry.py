"""MLflow in the demonstration: a real server with the plugin around basic-auth, and what people do there."""

import logging
import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from lineage_service.cli.demo.processes import DemoError, run
from lineage_service.cli.demo.repository import Repository
from lineage_service.cli.demo.world import APPLICANTS, HOLDOUT, LAKE, MODEL, ONLOOKER, RELEASER, TRAINER, Month

_ADMIN: Final = ("admin", "demo-admin-password")
_PASSWORD: Final = "demo-password-of-{}"  # noqa: S105  of users that exist for three minutes on loopback
_SECONDS: Final = 60.0


def server_command(port: int, folder: Path) -> list[str]:
    """Return the command that starts a real MLflow server with the plugin around its basic-auth application."""
    command = [sys.executable, "-m", "mlflow", "server", "--app-name", "lineage", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    return [*command, "--artifacts-destination", str(folder / "artifacts")]


def server_environment(folder: Path) -> dict[str, str]:
    """Write the authentication settings of MLflow and return the environment that names them."""
    settings = folder / "basic_auth.ini"
    settings.write_text(
        "[mlflow]\ndefault_permission = READ\n"
        f"database_uri = sqlite:///{folder}/auth.db\n"
        f"admin_username = {_ADMIN[0]}\nadmin_password = {_ADMIN[1]}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        "auth_cache_ttl_seconds = 600\n"
    )
    settings.chmod(0o600)
    return {
        "MLFLOW_AUTH_CONFIG_PATH": str(settings),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": os.urandom(16).hex(),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "PYTHONWARNINGS": "ignore",
    }


@dataclass(frozen=True, slots=True)
class Trained:
    """A version that was trained and registered, and how well it did."""

    version: str
    auc: float


@dataclass(frozen=True, slots=True)
class Registry:
    """The MLflow server at an address, and the folder in which training runs."""

    url: str
    folder: Path

    def add_people(self) -> None:
        """Create MLflow's users, as its administrator."""
        for person in (TRAINER, RELEASER, ONLOOKER):
            self._as_admin("2.0/mlflow/users/create", {"username": person, "password": _PASSWORD.format(person)})

    def let_release(self) -> None:
        """Let omar manage the model that dana made."""
        what = {"resource_type": "registered_model", "resource_id": MODEL, "permission": "MANAGE"}
        self._as_admin("3.0/mlflow/users/permissions/grant", {"username": RELEASER, **what})

    def _as_admin(self, route: str, wish: dict[str, str]) -> None:
        reply = httpx.post(f"{self.url}/api/{route}", auth=_ADMIN, json=wish, timeout=_SECONDS)
        reply.raise_for_status()

    def train(self, repository: Repository, month: Month) -> Trained:
        """Run the team's training script as dana, from the repository, and return what it registered."""
        command = [sys.executable, "-W", "ignore", str(repository.script), "--model", MODEL]
        command += ["--table", str(self.folder / month.file), "--address", f"{LAKE}/{APPLICANTS}"]
        command += ["--data-version", month.version, "--holdout", str(self.folder / HOLDOUT)]
        printed = run(command, repository.folder, {**self._login(TRAINER), "PYTHONWARNINGS": "ignore"})
        found = re.search(r"^auc (\d\.\d+)$", printed, re.MULTILINE)
        if found is None:
            raise DemoError(f"train.py did not say how well the model does:\n{printed}")
        with self.acting_as(TRAINER) as client:
            versions = [int(one.version) for one in client.search_model_versions(f"name = '{MODEL}'")]
        return Trained(str(max(versions)), float(found[1]))

    def promote(self, version: str, stage: str = "Production") -> None:
        """Move a version to a stage as omar, archiving what was there; the alias follows to Production."""
        with self.acting_as(RELEASER) as client:
            client.transition_model_version_stage(MODEL, version, stage, archive_existing_versions=True)
            if stage == "Production":
                client.set_registered_model_alias(MODEL, "champion", version)

    def try_to_promote(self, version: str) -> bool:
        """Try the same as lena, who may not; tell whether MLflow denied it."""
        from mlflow.exceptions import MlflowException

        with self.acting_as(ONLOOKER) as client:
            try:
                client.transition_model_version_stage(MODEL, version, "Production")
            except MlflowException as error:
                return str(error.error_code) == "PERMISSION_DENIED"
        return False

    @contextmanager
    def acting_as(self, person: str) -> Iterator[Any]:
        """Give MLflow's own client, logged in as somebody."""
        names = self._login(person)
        before = {name: os.environ.get(name) for name in names}
        os.environ.update(names)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # MLflow calls stages deprecated; people use them
                import mlflow

                logging.getLogger("mlflow").setLevel(logging.WARNING)
                yield mlflow.MlflowClient(self.url, self.url)
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value

    def _login(self, person: str) -> dict[str, str]:
        return {
            "MLFLOW_TRACKING_URI": self.url,
            "MLFLOW_TRACKING_USERNAME": person,
            "MLFLOW_TRACKING_PASSWORD": _PASSWORD.format(person),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        }
