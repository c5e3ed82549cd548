"""From what does not fit in a sequence of records to the likely kind of tampering, and the record where it begins.

Hash and chain prove *that* something is wrong; this module only says *what* most likely happened, because "record 812
was removed" is of more use than "record 813 does not follow 811". Pure. The walk reports every row at which something
does not fit; a removal that renumbers all later rows gives one such row, not a million.

Each row is judged by four facts: the number it says it has (``own``) against the row it stands in, its bytes against
the leaf hash stored beside them, and whom it was chained to (the row before, or the one before that).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lineage_service.evidence.findings import Finding


@dataclass(frozen=True, slots=True)
class Suspect:
    """A row at which something does not fit.

    ``missing`` is the first row number left out just before it; ``own`` and ``prev`` are what the record says of
    itself (None if it cannot be read); ``fits`` tells that it was chained to the row before, ``fits_before`` to the
    one before that; ``form`` is what is wrong with its bytes; ``foreign`` the log it names, when that is another one.
    """

    row: int
    missing: int | None
    own: int | None
    stored: str
    computed: str
    before: str
    prev: str | None
    fits: bool
    fits_before: bool
    form: str | None
    foreign: str | None

    @property
    def intact(self) -> bool:
        """Whether the bytes are the ones whose hash is stored, and are a record."""
        return self.stored == self.computed and self.form is None


def classify(suspects: Sequence[Suspect], total: int) -> list[Finding]:
    """Return what most likely happened, earliest first; ``total`` is the number of the last row plus one."""
    return _Inquiry(suspects, total).findings()


class _Inquiry:
    """Explains suspects one after another; what a finding explains is not reported again."""

    def __init__(self, suspects: Sequence[Suspect], total: int) -> None:
        self._suspects = suspects
        self._by_row = {suspect.row: suspect for suspect in suspects}
        self._at = {suspect.own: suspect for suspect in suspects if suspect.own not in (None, suspect.row)}
        self._total = total
        self._explained: set[int] = set()

    def findings(self) -> list[Finding]:
        found = []
        for suspect in self._suspects:
            if suspect.missing is not None:
                found.append(self._hole(suspect, suspect.missing))
                if suspect.intact and suspect.own == suspect.row:
                    self._explained.add(suspect.row)
            if suspect.row not in self._explained:
                found.append(self._explain(suspect))
        return found

    def _hole(self, suspect: Suspect, missing: int) -> Finding:
        if moved := self._at.get(missing):
            self._explain_rows(moved.row, moved.row + 1)
            return Finding("reorder", missing, f"record {missing} here", f"it stands in row {moved.row}", _MOVED)
        gone = f"{suspect.row - missing} rows are missing"
        return Finding("delete", missing, f"record {missing}", f"row {suspect.row} comes next", gone)

    def _explain(self, suspect: Suspect) -> Finding:
        if suspect.foreign is not None and not suspect.fits:
            self._explain_rows(suspect.row, suspect.row + 1)
            detail = "a record of another log stands here"
            return Finding("insert", suspect.row, "a record of this log", f"log {suspect.foreign}", detail)
        if suspect.own is None or suspect.own == suspect.row:
            return self._in_its_row(suspect)
        other = self._at.get(suspect.row)
        if other is not None and not self._was_put_before(suspect, other):
            return self._moved(suspect, other)
        return self._misplaced(suspect, suspect.own) if suspect.intact else self._in_its_row(suspect)

    def _was_put_before(self, suspect: Suspect, other: Suspect) -> bool:
        """Whether the record that belongs here merely moved on by one row, and all later ones with it."""
        after = suspect.row + 2
        swapped = suspect.own == other.row and (after in self._by_row or after >= self._total)
        return other.row == suspect.row + 1 and other.fits_before and not swapped

    def _in_its_row(self, suspect: Suspect) -> Finding:
        """The record says that it belongs here: its bytes were altered, or those of the record before."""
        row, follower = suspect.row, self._by_row.get(suspect.row + 1)
        if not suspect.intact:
            self._explain_rows(row, row + 1)
            detail = suspect.form or "the bytes are not the ones whose leaf hash is stored"
            return Finding("edit", row, f"leaf {suspect.stored}", f"leaf {suspect.computed}", detail)
        if row == 0 or (follower is not None and not follower.fits):
            self._explain_rows(row, row + 1)
            detail = "its link to the record before"
            return Finding("edit", row, f"prev {suspect.before}", f"prev {suspect.prev}", detail)
        self._explain_rows(row)
        detail = f"record {row} was chained to another record {row - 1} than the one that stands here"
        return Finding("edit", row - 1, f"leaf {suspect.prev}", f"leaf {suspect.before}", detail)

    def _moved(self, suspect: Suspect, other: Suspect) -> Finding:
        """The record that belongs here stands elsewhere. All that merely changed places is explained by it."""
        self._explain_rows(suspect.row, suspect.row + 1, other.row, other.row + 1)
        for displaced in self._at.values():
            if displaced.row in self._at:
                self._explain_rows(displaced.row, displaced.row + 1)
        first = min(suspect.row, other.row)
        return Finding("reorder", first, f"record {suspect.row}", f"record {suspect.own}", _MOVED)

    def _misplaced(self, suspect: Suspect, own: int) -> Finding:
        """The record says it has another number, and the one with this number is nowhere among the suspects."""
        row, follower = suspect.row, self._by_row.get(suspect.row + 1)
        said = f"record {own}"
        if suspect.fits_before and follower is None:
            self._explain_rows(row)
            detail = f"the log went on from record {row - 2} to this one"
            return Finding("insert", row - 1, said, "one more record", detail)
        if follower is not None:
            self._explain_rows(row, row + 1)
            if follower.fits_before:
                return Finding("insert", row, f"record {row}", said, "the record after it was chained past it")
            return Finding("edit", row, f"record {row}", said, "another record was written over it")
        self._explain_rows(row)
        if row == self._total - 1:
            return Finding("insert", row, f"record {row}, or none", said, "a copy, or a forged record, was appended")
        if own > row:
            detail = f"{own - row} records are missing; later ones moved up"
            return Finding("delete", row, f"record {row}", said, detail)
        return Finding("insert", own, said, f"{row - own} more records", "later records moved down to make room")

    def _explain_rows(self, *rows: int) -> None:
        self._explained.update(rows)


_MOVED = "records stand in each other's places"
