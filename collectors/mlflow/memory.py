"""What was seen last: the state that lets a second read say only what changed. One SQLite file, readable by its owner.

It holds names, numbers, stages and digests, never the text of a tag, a description or a parameter. A batch is written
after its facts are in the spool: a crash between the two repeats facts, which the service knows again, and loses none.
Whoever removes the file has everything said again: what has a time of its own is then known to the service, and what
was merely seen is seen anew.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from collectors.delivery import files
from collectors.mlflow.connection import MlflowSettingsError

VERSION: Final = 1
_AT_ONCE: Final = 500
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS seen (
    kind TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, read INTEGER NOT NULL, PRIMARY KEY (kind, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""

Value = Mapping[str, Any]


class Memory:
    """What one collector saw of one server. Used by one thread."""

    def __init__(self, path: Path, subject: str) -> None:
        """Open or begin the file; ``subject`` names server and registry, and another's file is refused."""
        path.parent.mkdir(mode=files.FOLDER_MODE, parents=True, exist_ok=True)
        with files.opened(path, os.O_RDWR | os.O_CREAT):
            pass  # made here, so that SQLite's own files beside it get its mode
        self._path = path
        self._db = sqlite3.connect(path, isolation_level=None)
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
            self._begin(subject)
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise MlflowSettingsError(
                f"{path} cannot be read ({error}); move it away, and everything is read from the beginning: what the "
                "service knows already is not recorded twice"
            ) from error

    def _begin(self, subject: str) -> None:
        whose = {"subject": subject, "version": VERSION}
        found = self.about("whose")
        if found is None:
            self.note("whose", whose)
        elif found != whose:
            raise MlflowSettingsError(
                f"{self._path} is about {found.get('subject')}, not about {subject}; give each server and registry a "
                "folder of its own (--state)"
            )

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def about(self, name: str) -> Any:
        """Return something noted about the reads as such; None if it never was."""
        row = self._db.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        return None if row is None else orjson.loads(row[0])

    def note(self, name: str, value: Any) -> None:
        """Note something about the reads as such, durably."""
        self._db.execute("INSERT OR REPLACE INTO about (name, value) VALUES (?, ?)", (name, orjson.dumps(value)))

    def known(self, kind: str, keys: Sequence[str]) -> dict[str, Any]:
        """Return what was seen last of the things of a kind that were seen at all."""
        found: dict[str, Any] = {}
        for start in range(0, len(keys), _AT_ONCE):
            part = keys[start : start + _AT_ONCE]
            marks = ",".join("?" * len(part))
            rows = self._db.execute(f"SELECT key, value FROM seen WHERE kind = ? AND key IN ({marks})", (kind, *part))
            found.update((key, orjson.loads(value)) for key, value in rows)
        return found

    def every(self, kind: str) -> dict[str, Any]:
        """Return all of a kind; for kinds of which there are few."""
        rows = self._db.execute("SELECT key, value FROM seen WHERE kind = ?", (kind,))
        return {key: orjson.loads(value) for key, value in rows}

    def keep(self, kind: str, values: Mapping[str, Value], read: int) -> None:
        """Keep what was seen in a read, durably, all or none."""
        rows = [(kind, key, orjson.dumps(value), read) for key, value in values.items()]
        with self._together():
            self._db.executemany("INSERT OR REPLACE INTO seen (kind, key, value, read) VALUES (?, ?, ?, ?)", rows)

    def conclude(self, values: Mapping[str, Mapping[str, Value | None]], read: int, noted: Mapping[str, Any]) -> None:
        """Keep the end of a read: things by kind, None for those that are gone, and what is noted about the read."""
        with self._together():
            for kind, things in values.items():
                kept = [(kind, key, orjson.dumps(value), read) for key, value in things.items() if value is not None]
                gone = [(kind, key) for key, value in things.items() if value is None]
                self._db.executemany("INSERT OR REPLACE INTO seen (kind, key, value, read) VALUES (?, ?, ?, ?)", kept)
                self._db.executemany("DELETE FROM seen WHERE kind = ? AND key = ?", gone)
            for name, value in noted.items():
                self.note(name, value)

    def unmet(self, kind: str, read: int) -> Iterator[tuple[str, Any]]:
        """Give what was seen before and not met in this read."""
        rows = self._db.execute("SELECT key, value FROM seen WHERE kind = ? AND read < ?", (kind, read)).fetchall()
        return ((key, orjson.loads(value)) for key, value in rows)

    def of_model(self, kind: str, model: str) -> dict[str, Any]:
        """Return the things of a kind that name a model as theirs."""
        return {key: value for key, value in self.every(kind).items() if value.get("model") == model}

    def count(self, kind: str) -> int:
        """Return how many things of a kind are known."""
        number: int = self._db.execute("SELECT count(*) FROM seen WHERE kind = ?", (kind,)).fetchone()[0]
        return number

    def _together(self) -> _Together:
        return _Together(self._db)


class _Together:
    """One transaction: committed at its end, rolled back if that is an error."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, _error: object, _trace: object) -> None:
        self._db.execute("COMMIT" if kind is None else "ROLLBACK")
