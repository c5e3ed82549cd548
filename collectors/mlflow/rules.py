"""Every rule that a running MLflow server answers to: Flask's, and those that FastAPI serves beside it.

FastAPI keeps a router that was included as one entry with a prefix, or (earlier) as the routes themselves; both are
read. What is mounted as another application is Flask's, which is asked by its own map.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

Rules = Iterator[tuple[str, str]]


def flask_rules(app: Any) -> Rules:
    """Give rule and method of each rule of a Flask application."""
    for rule in app.url_map.iter_rules():
        for method in rule.methods or ():
            yield rule.rule, method


def native_rules(app: Any) -> Rules:
    """Give path and method of each route that an ASGI application serves itself; none for what has no routes."""
    return _walked(getattr(app, "routes", ()), "")


def _walked(routes: Iterable[Any], prefix: str) -> Rules:
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from _walked(included.routes, prefix + route.include_context.prefix)
        for method in getattr(route, "methods", None) or ():
            yield prefix + route.path, method
