"""The MLflow server application ``lineage``: another application, wrapped so that what it is asked to do is recorded.

``mlflow server --app-name lineage``. Flask's hooks stand on both sides of the wrapped application: ours before the
change runs last, when the user is known and allowed; ours after it runs last too, on the final answer. Rules kept here:

- A registry write whose intent cannot be put on disk is refused with 503 and not made (``LINEAGE_ON_OUTAGE=block``);
  reads, metrics and runs always pass.
- A hook never raises: what it could not record is logged, counted and reported as a hole in the coverage.
- Only routes and fields of the allow-lists are looked at (``routes``).
- Flask and MLflow are imported inside functions: this module is also imported by the command line of MLflow.

Checked with MLflow 3.17; the names of MLflow that it rests on are ``mlflow.server.app``, ``flask.g``'s
``mlflow_authenticated_user``, ``mlflow.server.fastapi_app.app`` and ``_MLFLOW_SGI_NAME``.
"""

from __future__ import annotations

import asyncio
import atexit
import fcntl
import importlib.metadata
import json
import logging
import os
import threading
import types
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

from collectors.delivery import SpoolError, files
from collectors.mlflow.recorder import Pending, Recorder
from collectors.mlflow.routes import Route, allowed_fields, recorded_route, uncovered
from collectors.mlflow.settings import PluginSettings, PluginSettingsError

CLOSING_SECONDS: Final = 5.0
_SLOT: Final = "lineage_pending"
_log = logging.getLogger("lineage.mlflow")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Message, Receive, Send], Awaitable[None]]


def create_app() -> Any:
    """Build the application; a plain function, because MLflow calls only those.

    Raises:
        PluginSettingsError: if a setting is missing or wrong; the server then does not start.
        SpoolError: if the spool's folder cannot be made.
    """
    settings = PluginSettings.from_env(os.environ)
    recorders = Recorders(settings)
    recorders.current()
    with files.locked(settings.spool / "start.lock", fcntl.LOCK_EX):
        app = _wrapped(settings.app)
    _hook(recorders)
    atexit.register(recorders.close)
    return ClosingApp(app, recorders.close) if _runs_under_uvicorn() else app


class Recorders:
    """The recorder of this process: threads and locks do not survive a fork, so a child makes its own."""

    def __init__(self, settings: PluginSettings) -> None:
        """Nothing is started yet."""
        self._settings = settings
        self._recorder: Recorder | None = None
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self._forget)

    def current(self) -> Recorder:
        """Return the recorder of this process, started."""
        with self._lock:
            if self._recorder is None:
                self._recorder = Recorder(self._settings, _boot())
                self._recorder.start()
            return self._recorder

    def close(self) -> None:
        """Spool and deliver what waits, for a few seconds."""
        if self._recorder is not None:
            self._recorder.close(CLOSING_SECONDS)

    @property
    def blocks(self) -> bool:
        """Whether a registry write that cannot be recorded is refused."""
        return self._settings.block

    def _forget(self) -> None:
        self._recorder = None
        self._lock = threading.Lock()


class ClosingApp:
    """An ASGI application that drains before the server ends: uvicorn leaves by a signal, so no exit hook runs."""

    def __init__(self, app: AsgiApp, close: Callable[[], None]) -> None:
        """Wrap ``app``; ``close`` may take some seconds and runs in a thread."""
        self._app = app
        self._close = close

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass everything on, and close when the application has said that it is down."""
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return

        async def closing_send(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown"):
                await asyncio.to_thread(self._close)
            await send(message)

        await self._app(scope, receive, closing_send)


def _boot() -> str:
    """Return what all workers of one run of the server have in common, and the next run has not."""
    return os.environ.get("_MLFLOW_SERVER_BOOT_ID") or f"parent-{os.getppid()}"


def _runs_under_uvicorn() -> bool:
    return os.environ.get("_MLFLOW_SGI_NAME") == "uvicorn"


def _wrapped(name: str) -> Any:
    """Build the application that ours wraps."""
    if name == "none":
        return _plain_app()
    found = next(iter(importlib.metadata.entry_points(group="mlflow.app", name=name)), None)
    if found is None:
        names = sorted(entry.name for entry in importlib.metadata.entry_points(group="mlflow.app"))
        raise PluginSettingsError(f"LINEAGE_MLFLOW_APP={name}: no such mlflow.app is installed; there are {names}")
    app = found.load()
    return app() if isinstance(app, types.FunctionType) else app


def _plain_app() -> Any:
    if _runs_under_uvicorn():
        from mlflow.server.fastapi_app import app as fastapi_app

        return fastapi_app
    from mlflow.server import app as flask_app

    return flask_app


def _hook(recorders: Recorders) -> None:
    """Set our hooks on MLflow's Flask application, around those of the wrapped one, and say what they do not cover."""
    from mlflow.server import app as flask_app

    rules = [(rule.rule, method) for rule in flask_app.url_map.iter_rules() for method in rule.methods or ()]
    if missed := uncovered(rules):
        recorders.current().note(f"this release of MLflow has registry routes that are not recorded: {missed}")
    flask_app.before_request(lambda: _before(recorders))
    flask_app.after_request_funcs.setdefault(None, []).insert(0, lambda response: _after(recorders, response))


def _before(recorders: Recorders) -> Any:
    """Put the intent of a recorded request on disk, or refuse the request."""
    import flask

    request = flask.request
    route = recorded_route(request.url_rule.rule, request.method) if request.url_rule else None
    if route is None:
        return None
    try:
        recorder = recorders.current()
        pending = recorder.observe(route, _fields(route))
        recorder.intend(pending, _user())
        setattr(flask.g, _SLOT, pending)
    except Exception as error:  # noqa: BLE001  a hook never raises: MLflow would answer 500 to everything
        return _refused(recorders, route, error)
    return None


def _refused(recorders: Recorders, route: Route, error: Exception) -> Any:
    """Answer 503 in MLflow's form, and say in the log what to do; routes that are not in path pass."""
    import flask

    if not isinstance(error, SpoolError):
        _log.exception("the hook before %s failed", route.action, exc_info=error)
    if not route.in_path or not recorders.blocks:
        recorders.current().note(f"{route.action} passed without a record: {error}")
        return None
    _log.error("%s was refused and not made: %s", route.action, error)
    message = f"This change cannot be recorded, so it was not made: {error}"
    body = json.dumps({"error_code": "TEMPORARILY_UNAVAILABLE", "message": message})
    return flask.Response(body, status=503, mimetype="application/json")


def _after(recorders: Recorders, response: Any) -> Any:
    """Record the outcome of a recorded request; the answer goes out as it is."""
    import flask

    pending: Pending | None = flask.g.pop(_SLOT, None)
    try:
        rule = flask.request.url_rule
        route = recorded_route(rule.rule, flask.request.method) if rule else None
        user = _user()
        if pending is None and route is not None and user is not None and response.status_code in (401, 403):
            pending = recorders.current().observe(route, _fields(route))
        if pending is not None:
            recorders.current().conclude(pending, response.status_code, _answer(response), user)
    except Exception as error:  # noqa: BLE001  a hook never raises: it would turn a success into a 500
        _log.exception("the hook after %s %s failed", flask.request.method, flask.request.path)
        recorders.current().note(f"a request was not recorded: {type(error).__name__}: {error}")
    return response


def _fields(route: Route) -> Mapping[str, Any]:
    """Return the allowed fields of the request; clients of old wrote their JSON twice."""
    import flask

    body = flask.request.get_json(force=True, silent=True)
    if isinstance(body, str):
        body = json.loads(body)
    return allowed_fields(route, body)


def _answer(response: Any) -> Mapping[str, Any]:
    body = response.get_json(silent=True) if response.is_json else None
    return body if isinstance(body, Mapping) else {}


def _user() -> str | None:
    """Return the user whom the wrapped application authenticated in this request."""
    import flask

    user = getattr(flask.g, "mlflow_authenticated_user", None)
    return str(user) if user else None
