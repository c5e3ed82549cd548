"""The credential that facts are sent with. A file is read again whenever it changed, so that rotation needs no restart.

The token's text never enters a log line or an error.
"""

from __future__ import annotations

from pathlib import Path

from collectors.delivery.errors import TokenError


class Token:
    """A bearer token: a fixed text, or the text of a file, without surrounding white space."""

    def __init__(self, text: str | None = None, file: Path | None = None) -> None:
        """Take exactly one of the two; TokenError otherwise."""
        if (text is None) == (file is None):
            raise TokenError("give LINEAGE_TOKEN or LINEAGE_TOKEN_FILE, and not both")
        self._text = text
        self._file = file
        self._seen: tuple[int, int, int] | None = None

    def read(self) -> str:
        """Return the token of now; TokenError if its file cannot be read or is empty."""
        if self._file is not None:
            self._refresh(self._file)
        if not self._text:
            raise TokenError(f"the token is empty; set LINEAGE_TOKEN, or fill the file {self._file}")
        return self._text

    def _refresh(self, file: Path) -> None:
        try:
            found = file.stat()
            seen = (found.st_mtime_ns, found.st_size, found.st_ino)
            if seen != self._seen:
                self._text = file.read_text(encoding="ascii").strip()
                self._seen = seen
        except (OSError, UnicodeDecodeError) as error:
            raise TokenError(f"the token file {file} cannot be read ({error}); let this user read it") from error
