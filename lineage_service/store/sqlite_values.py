"""How values go into statements of the embedded store and come out of them."""

import sqlite3
from collections.abc import Iterable
from typing import Any, Final

import orjson

AFTER_ALL_TEXT: Final = "\U0010ffff"
"""Put behind a text, it comes after all texts that begin with it."""
_KEYS: Final = "SELECT n.id, n.key FROM json_each(?) j CROSS JOIN node n ON n.id = j.value"


def array(values: Iterable[Any]) -> str:
    """Return values as the one parameter that a statement reads by ``json_each``."""
    return orjson.dumps(list(values)).decode()


def keys_of(connection: sqlite3.Connection, ids: Iterable[int]) -> dict[int, str]:
    """Return the keys of nodes."""
    return dict(connection.execute(_KEYS, (array(ids),)).fetchall())
