"""Every rule that MLflow of this environment answers to, with accounts and workspaces, as JSON: ``python rules.py``.

Run by the interpreter of a release's environment, in a folder of its own, which the database of accounts goes to.
"""

from __future__ import annotations

import json
import os
import secrets
import warnings
from pathlib import Path


def main() -> list[tuple[str, str]]:
    """Build the application as a server does; return rule and method of each."""
    folder, password = Path.cwd(), secrets.token_hex(16)
    (folder / "auth.ini").write_text(
        f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{folder}/auth.db\nadmin_username = admin\n"
        f"admin_password = {password}\n"  # older releases know no variable for it
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    os.environ |= {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_WORKSPACES": "true",
        "MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"),
        "MLFLOW_AUTH_ADMIN_PASSWORD": password,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(16),
        "_MLFLOW_SGI_NAME": "uvicorn",
    }
    warnings.simplefilter("ignore")
    from mlflow.server import app, auth

    from collectors.mlflow.rules import flask_rules, native_rules

    wrapped = auth.create_app(app)
    return [*flask_rules(app), *native_rules(wrapped)]


if __name__ == "__main__":
    print(json.dumps(main()))
