"""Whoever can write the database, but has no key, appends records while nobody looks: they are not signed."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lineage_service.errors import IntegrityError
from tests.ledgers import copy_of, hostile, make_ledger, rechained, reopen, rows_of, write_head, write_rows


def forged(rows: list[Any]) -> list[Any]:
    """Return the rows with one more that chains well: a token that its forger knows the secret of."""
    records = [json.loads(body) for _, _, body in rows]
    issued = next(record for record in records if record["type"] == "token.issued")
    digest = "sha256:" + "ab" * 32
    more = {**issued, "id": issued["id"][:12] + "f" * 20, "body": {**issued["body"], "token": "0123", "digest": digest}}
    return rechained([*records, {**more, "time": records[-1]["time"]}])


def test_a_forged_record_at_the_end_is_neither_signed_nor_served(tmp_path: Path) -> None:
    places = make_ledger(tmp_path / "log")
    rows = forged(rows_of(places.file))
    with hostile(places.file) as connection:
        write_rows(connection, rows)
        write_head(connection, rows)
    with pytest.raises(IntegrityError, match="was not written by this service"):
        reopen(places)


def test_another_history_of_the_same_size_is_neither_signed_nor_served(tmp_path: Path) -> None:
    places = make_ledger(tmp_path / "log")
    records = [json.loads(body) for _, _, body in rows_of(places.file)]
    rows = rechained([*records[:20], {**records[20], "ev": 1, "id": "0" * 32}, *records[21:]])
    with hostile(places.file) as connection:
        write_rows(connection, rows)
        write_head(connection, rows)
    with pytest.raises(IntegrityError):
        reopen(places)


def test_another_history_sealed_by_the_same_keys_is_noticed_by_the_signer(tmp_path: Path) -> None:
    """Two copies of one installation go on apart: only one of them is what the signer has seen."""
    places = make_ledger(tmp_path / "log")
    other = copy_of(places, tmp_path / "other")
    for one in (places, other):
        log = reopen(one)
        for last in (1, 2) if one is other else (3,):
            log.recorder.record([log._anomaly(last, 0)])
        log.close()
    shutil.copy(places.signer_state, other.signer_state)
    with pytest.raises(IntegrityError, match="another history"):
        reopen(other)
