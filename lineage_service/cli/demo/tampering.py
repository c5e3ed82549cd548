"""A forged copy: the ledger is copied, one record is changed in the copy; the log itself stays as it is."""

import contextlib
import shutil
import sqlite3
from pathlib import Path
from typing import Final

_VICTIM: Final = """
SELECT seq, body FROM record WHERE instr(body, '"type":"stage.transitioned"') AND instr(body, '"to":"Production"')
ORDER BY seq DESC LIMIT 1
"""
_TRIGGERS: Final = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'record'"
_FORGE: Final = "UPDATE record SET body = ? WHERE seq = ?"


def forge_copy(data: Path, copy: Path) -> int:
    """Copy a data folder whose service is down, and in the copy let another version have gone to Production.

    Returns the number of the record that was changed. Whoever owns the file can do this: the triggers that refuse
    changes are dropped first, as such a person would.
    """
    shutil.copytree(data, copy)
    with contextlib.closing(sqlite3.connect(copy / "lineage.db", isolation_level=None)) as connection:
        for (name,) in connection.execute(_TRIGGERS).fetchall():
            connection.execute(f'DROP TRIGGER "{name}"')
        seq, body = connection.execute(_VICTIM).fetchone()
        text = body if isinstance(body, bytes) else body.encode()
        forged = text.replace(b'"to":"Production"', b'"to":"Staging"')
        connection.execute(_FORGE, (forged if isinstance(body, bytes) else forged.decode(), seq))
    return int(seq)
