"""The MLflow server application ``lineage``: another application, wrapped so that what it is asked to do is recorded.

``mlflow server --app-name lineage``. Flask's hooks stand on both sides of the wrapped application: ours before the
change runs last, when the user is known and allowed; ours after it runs last too, on the final answer. Rules kept here:

- A registry write whose intent cannot be put on disk is refused with 503 and not made (``LINEAGE_ON_OUTAGE=block``);
  reads, metrics and runs always pass.
- A hook never raises: what it could not record is logged, counted and reported as a hole in the coverage.
- Only routes and fields of the allow-lists are looked at (``routes``).
- Flask and MLflow are imported inside functions: this module is also imported by the command line of MLflow.

Checked with MLflow 3.10 to 3.17 (``python -m tests.versions``); the names of MLflow that it rests on are
``mlflow.server.app``, ``flask.g``'s ``mlflow_authenticated_user`` (before 3.14 ``mlflow.server.auth``'s
``authenticate_request``), ``mlflow.server.fastapi_app.app`` and ``_MLFLOW_SGI_NAME``.
"""

from __future__ import annotations

import atexit
import fcntl
import importlib.metadata
import json
import logging
import os
import tempfile
import threading
import types
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from collectors.delivery import SpoolError, files
from collectors.mlflow import accounts, identity
from collectors.mlflow.asgi import ClosingApp, current_scope
from collectors.mlflow.identity import Asked, User
from collectors.mlflow.recorder import Pending, Recorder
from collectors.mlflow.routes import Route, allowed_fields, is_of_mlflow, recorded_route, uncovered
from collectors.mlflow.rules import flask_rules, native_rules
from collectors.mlflow.settings import PluginSettings, PluginSettingsError

CLOSING_SECONDS: Final = 5.0
_SLOT: Final = "lineage_pending"
_USER: Final = "lineage_user"
_DENIALS: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_MOST_REASONS: Final = 100
_log = logging.getLogger("lineage.mlflow")


def create_app() -> Any:
    """Build the application; a plain function, because MLflow calls only those.

    Raises:
        PluginSettingsError: if a setting is missing or wrong; the server then does not start.
        SpoolError: if the spool's folder cannot be made.
    """
    settings = PluginSettings.from_env(os.environ)
    recorders = Recorders(settings)
    recorders.current()
    with files.locked(_start_lock(settings), fcntl.LOCK_EX):
        app = _wrapped(settings.app)
    hooks = Hooks(recorders, settings, app)
    hooks.install()
    atexit.register(recorders.close)
    return ClosingApp(app, recorders.close) if _runs_under_uvicorn() else app


class Recorders:
    """The recorder of this process: threads and locks do not survive a fork, so a child makes its own."""

    def __init__(self, settings: PluginSettings) -> None:
        """Nothing is started yet."""
        self.standing = ""
        self._settings = settings
        self._recorder: Recorder | None = None
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self._forget)

    def current(self) -> Recorder:
        """Return the recorder of this process, started."""
        with self._lock:
            if self._recorder is None:
                self._recorder = Recorder(self._settings, _boot())
                if self.standing:
                    self._recorder.always_say(self.standing)
                self._recorder.start()
            return self._recorder

    def always_say(self, text: str) -> None:
        """Say a text in every report, of this process and of those that are forked from it."""
        self.standing = text
        self.current().always_say(text)

    def close(self) -> None:
        """Spool and deliver what waits, for a few seconds."""
        if self._recorder is not None:
            self._recorder.close(CLOSING_SECONDS)

    def _forget(self) -> None:
        self._recorder = None
        self._lock = threading.Lock()


def _boot() -> str:
    """Return what all workers of one run of the server have in common, and the next run has not."""
    return os.environ.get("_MLFLOW_SERVER_BOOT_ID") or f"parent-{os.getppid()}"


def _start_lock(settings: PluginSettings) -> Path:
    """Return the file under whose lock workers build the wrapped application one after another.

    A fresh database of accounts is migrated while the application is built: workers that do so at once break each other
    (MLflow's own command prepares it only for ``--app-name basic-auth``).
    """
    if settings.spool is not None:
        return settings.spool / "start.lock"
    return Path(tempfile.gettempdir()) / f"lineage-start-{os.getuid()}.lock"


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


class Hooks:
    """Our two hooks on MLflow's Flask application, around those of the wrapped one."""

    def __init__(self, recorders: Recorders, settings: PluginSettings, app: Any) -> None:
        """Look at every rule of the server, and say in each report from now on which of them are in no table."""
        self._recorders = recorders
        self._settings = settings
        self._ignored: set[str] = set()
        self._unknown = frozenset(_unknown_rules(app))
        if self._unknown:
            recorders.always_say(f"this server has routes that are not recorded and not known: {sorted(self._unknown)}")

    def install(self) -> None:
        """Set the hooks: before the change ours runs last, after it as well."""
        from mlflow.server import app as flask_app

        accounts.tell_user(_keep_user)
        flask_app.before_request(self.before)
        flask_app.after_request_funcs.setdefault(None, []).insert(0, self.after)

    def before(self) -> Any:
        """Write down the intent of a recorded request, or refuse the request."""
        import flask

        request = flask.request
        route = recorded_route(request.url_rule.rule, request.method) if request.url_rule else None
        if route is None:
            return None
        try:
            recorder, user = self._recorders.current(), self._user()
            pending = self._observed(recorder, route)
            recorder.intend(pending, *_known(user))
            setattr(flask.g, _SLOT, pending)
        except Exception as error:  # noqa: BLE001  a hook never raises: MLflow would answer 500 to everything
            return self._refused(route, error)
        return None

    def after(self, response: Any) -> Any:
        """Record the outcome of a recorded request; the answer goes out as it is."""
        import flask

        pending: Pending | None = flask.g.pop(_SLOT, None)
        try:
            rule = flask.request.url_rule
            if pending is not None or (rule and response.status_code in _DENIALS):
                route = recorded_route(rule.rule, flask.request.method) if rule else None
                self._record(pending, route, response)
            elif self._unknown and rule and f"{flask.request.method} {rule.rule}" in self._unknown:
                self._passed_unknown(rule.rule, response.status_code)
        except Exception as error:  # noqa: BLE001  a hook never raises: it would turn a success into a 500
            kind = type(error).__name__
            _log.error("the hook after %s failed: %s", flask.request.method, kind, exc_info=_debugging())
            self._recorders.current().note(f"a request was not recorded: {type(error).__name__}")
        return response

    def _record(self, pending: Pending | None, route: Route | None, response: Any) -> None:
        user, recorder = self._user(), self._recorders.current()
        if pending is None and route is not None and user is not None:
            pending = self._observed(recorder, route)
        if pending is not None:
            recorder.conclude(pending, response.status_code, _answer(response), *_known(user))

    def _passed_unknown(self, rule: str, status: int) -> None:
        """Leave a hole where a route of MLflow that nobody knows changed something."""
        if status < HTTPStatus.BAD_REQUEST and is_of_mlflow(rule):
            self._recorders.current().note(f"a change through {rule} was not recorded: the route is not known")

    def _observed(self, recorder: Recorder, route: Route) -> Pending:
        return recorder.observe(route, _fields(route), identity.claimed_principal(_asked()))

    def _user(self) -> User | None:
        """Return who makes this request: whom the application authenticated, else whom a trusted proxy names."""
        name = _application_user()
        if name:
            return User(name, self._settings.via)
        if self._settings.user_header is None:
            return None
        found = identity.named_by_proxy(_asked(), self._settings.user_header, self._settings.proxies)
        if isinstance(found, identity.Ignored):
            self._say_ignored(found.reason)
            return None
        return found

    def _say_ignored(self, reason: str) -> None:
        if reason not in self._ignored and len(self._ignored) < _MOST_REASONS:
            self._ignored.add(reason)
            _log.warning("the header %s was ignored: %s", self._settings.user_header, reason)

    def _refused(self, route: Route, error: Exception) -> Any:
        """Answer 503 in MLflow's form, and say in the log what to do; routes that are not in path pass."""
        import flask

        if not isinstance(error, SpoolError):
            _log.error("the hook before %s failed: %s", route.action, type(error).__name__, exc_info=_debugging())
        if not route.in_path or not self._settings.block:
            self._recorders.current().note(f"{route.action} passed without a record: {type(error).__name__}")
            return None
        reason = str(error) if isinstance(error, SpoolError) else f"{type(error).__name__} in the lineage plugin"
        _log.error("%s was refused and not made: %s", route.action, reason)
        message = f"This change cannot be recorded, so it was not made: {reason}"
        body = json.dumps({"error_code": "TEMPORARILY_UNAVAILABLE", "message": message})
        return flask.Response(body, status=503, mimetype="application/json")


def _known(user: User | None) -> tuple[str | None, str | None]:
    return (user.name, user.via) if user else (None, None)


def _debugging() -> bool:
    """Tell whether logs may hold tracebacks, and with them what the request held."""
    return _log.isEnabledFor(logging.DEBUG)


def _unknown_rules(app: Any) -> list[str]:
    from mlflow.server import app as flask_app

    prefix = os.environ.get("_MLFLOW_STATIC_PREFIX", "")
    return uncovered([*flask_rules(flask_app), *native_rules(app)], prefix)


def _asked() -> Asked:
    """Return where this request comes from; under WSGI the server has dropped spellings that mean the same."""
    import flask

    scope = current_scope()
    if scope is None:
        headers = [(name.lower(), value) for name, value in flask.request.headers.items()]
        return Asked(headers, flask.request.environ.get("REMOTE_ADDR"))
    raw = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
    peer = (scope.get("client") or (None,))[0]
    forwarded = [value for name, value in raw if name == "x-forwarded-for"]
    genuine = peer is None or os.environ.get("FORWARDED_ALLOW_IPS") == ""
    return Asked(raw, peer, rewritten=not genuine and any(str(peer) in value for value in forwarded))


def _keep_user(name: str) -> None:
    import flask

    setattr(flask.g, _USER, name)


def _application_user() -> str | None:
    """Return the user whom the wrapped application authenticated in this request."""
    import flask

    state = (current_scope() or {}).get("state") or {}
    found = (
        getattr(flask.g, "mlflow_authenticated_user", None)
        or getattr(flask.g, _USER, None)
        or flask.request.environ.get("REMOTE_USER")
        or (state.get("username") if isinstance(state, Mapping) else getattr(state, "username", None))
    )
    return str(found) if found else None


def _fields(route: Route) -> Mapping[str, Any]:
    """Return the allowed fields of the request, where MLflow takes them from; clients of old wrote their JSON twice.

    Requests about rights are read as JSON only if they say they are, and a DELETE that does not say so by its query.
    """
    import flask

    request = flask.request
    named = request.view_args or {}
    if route.form:
        return allowed_fields(route, {**request.form.to_dict(), **named})
    body = request.get_json(force=True, silent=True) if request.is_json or not route.about_rights else None
    if isinstance(body, str):
        body = json.loads(body)
    by_query = request.method == "DELETE" and not request.is_json and (route.about_rights or "mode" in route.fields)
    query = request.args.to_dict() if by_query or "mode" in route.fields else {}
    return allowed_fields(route, {**query, **(body if isinstance(body, Mapping) else {}), **named})


def _answer(response: Any) -> Mapping[str, Any]:
    body = response.get_json(silent=True) if response.is_json else None
    return body if isinstance(body, Mapping) else {}
