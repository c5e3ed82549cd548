"""The token that requests carry. A file is read again whenever it changed, so that rotation needs no restart.

The token's text never enters a message, a log line or a repr.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from lineage_service.client.errors import CredentialError

_HOW = "set LINEAGE_TOKEN, or LINEAGE_TOKEN_FILE to a file that holds it; `lineage token create` makes tokens"


class Credential:
    """A bearer token: a fixed text, or what a file holds at the moment."""

    def __init__(self, text: str | None = None, file: Path | None = None) -> None:
        """Take one of the two; CredentialError if both are given. Neither is found out by ``read``."""
        if text is not None and file is not None:
            raise CredentialError("there are two tokens: give LINEAGE_TOKEN or LINEAGE_TOKEN_FILE, and not both")
        self._text = text
        self._file = file
        self._seen: tuple[int, int, int] | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Credential":
        """Return the credential that LINEAGE_TOKEN or LINEAGE_TOKEN_FILE names."""
        file = environment.get("LINEAGE_TOKEN_FILE")
        return cls(environment.get("LINEAGE_TOKEN") or None, Path(file) if file else None)

    def read(self) -> str:
        """Return the token of now; CredentialError if there is none."""
        if self._file is not None:
            self._refresh(self._file)
        if not self._text:
            where = f"the token file {self._file} is empty" if self._file else "there is no token to send"
            raise CredentialError(f"{where}; {_HOW}")
        if not (self._text.isascii() and self._text.isprintable()) or " " in self._text:
            raise CredentialError(f"the token holds characters that no token has; {_HOW}")
        return self._text

    def _refresh(self, file: Path) -> None:
        try:
            found = file.stat()
            seen = (found.st_mtime_ns, found.st_size, found.st_ino)
            if seen != self._seen:
                self._text = file.read_text(encoding="ascii").strip()
                self._seen = seen
        except (OSError, UnicodeDecodeError) as error:
            raise CredentialError(f"the token file {file} cannot be read ({error}); let this user read it") from error
