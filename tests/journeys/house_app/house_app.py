"""An application of somebody else's, as it could be installed beside MLflow: it knows users its own way, and it breaks.

It is no package of this project: the tests put its folder and the entry points written by `installed` on a server's
path. `house` sets `REMOTE_USER` from a header that only its own users know; `house-accounts` stands on MLflow's own
authentication, and adds a route to the registry that no table knows. In both, aliases with certain names make the
process die, or answer 500, inside the request, after every hook before it.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

ENTRY_POINTS = "[mlflow.app]\nhouse = house_app:create_app\nhouse-accounts = house_app:create_app_with_accounts\n"


def create_app() -> Any:
    """Build the application for people whom the header `X-House-User` names."""
    from flask import request
    from mlflow.server import app

    def know() -> None:
        if name := request.headers.get("X-House-User"):
            request.environ["REMOTE_USER"] = name

    app.before_request(know)
    _break(app)
    if os.environ.get("_MLFLOW_SGI_NAME") == "uvicorn":
        from mlflow.server.fastapi_app import app as fastapi_app

        return fastapi_app
    return app


def create_app_with_accounts() -> Any:
    """Build the application on MLflow's accounts."""
    from mlflow.server import app, auth

    _break(app)
    app.add_url_rule("/api/2.0/mlflow/registered-models/promote", view_func=dict, methods=["POST"])
    return auth.create_app(app)


def _break(app: Any) -> None:
    for endpoint in {rule.endpoint for rule in app.url_map.iter_rules() if rule.rule.endswith("models/alias")}:
        app.view_functions[endpoint] = _breaking(app.view_functions[endpoint])


def _breaking(view: Any) -> Any:
    from flask import request

    def breaking(*args: Any, **kwargs: Any) -> Any:
        alias = (request.get_json(silent=True) or {}).get("alias")
        if alias == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        return ("broken", 500) if alias == "break" else view(*args, **kwargs)

    return breaking


def installed(folder: Path) -> str:
    """Write the entry points of this application below a folder; return the path that makes a server find them."""
    info = folder / "house_app-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: house-app\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return f"{folder}{os.pathsep}{Path(__file__).resolve().parent}"
