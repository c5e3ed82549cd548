"""Bodies, held to their limits while they stream in: an oversized one is counted and never held.

A body may be gzip (RFC 1952, several members, also chunked). What it inflates to is bounded while it inflates, so a
bomb costs no more than a body of the largest allowed size.
"""

import zlib
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Request

from lineage_service.errors import InputError

MAX_BODY: Final = 8 * 1024 * 1024
"""Bytes of a body as sent."""

MAX_INFLATED: Final = 16 * 1024 * 1024
"""Bytes of a body as meant."""

KEPT_OF_OVERSIZED: Final = 64 * 1024
_COUNTED: Final = 64 * 1024 * 1024
_DIGITS: Final = 18
_GZIP: Final = 31


class TooLargeError(InputError):
    """The body is larger than allowed; its beginning and its length are known."""


class UnsupportedEncodingError(InputError):
    """The body is in a content coding that is not read here."""


@dataclass(frozen=True, slots=True)
class Received:
    """A body: its bytes as sent (of an oversized one the beginning), and how many the sender sent or announced."""

    data: bytes
    length: int
    encoding: str = "identity"

    def document(self) -> bytes:
        """Return the bytes as meant; InputError (or a kind of it) if they are too many or not what they claim."""
        if self.length > len(self.data):
            raise TooLargeError(f"the body has {self.length} bytes, of which {MAX_BODY} are allowed; send less at once")
        if self.encoding == "identity":
            return self.data
        if self.encoding != "gzip":
            raise UnsupportedEncodingError("Content-Encoding may be gzip or absent", field="Content-Encoding")
        return _inflated(self.data)


async def receive(request: Request) -> Received:
    """Read a request's body within the limits."""
    announced = request.headers.get("content-length", "")
    length = int(announced[:_DIGITS]) if announced.isascii() and announced.isdecimal() else 0
    encoding = request.headers.get("content-encoding", "").strip().lower() or "identity"
    held, counted, most = bytearray(), 0, KEPT_OF_OVERSIZED if length > MAX_BODY else MAX_BODY
    async for chunk in request.stream():
        counted += len(chunk)
        held += chunk[: max(most - len(held), 0)]
        if counted > MAX_BODY:
            most = KEPT_OF_OVERSIZED
            del held[most:]
        if counted > _COUNTED:
            break
    return Received(bytes(held), max(counted, length if length > MAX_BODY else 0), encoding)


Body = Annotated[Received, Depends(receive)]


def _inflated(data: bytes) -> bytes:
    """Return what gzip members inflate to, one after another."""
    found = bytearray()
    while data:
        member = zlib.decompressobj(_GZIP)
        try:
            found += member.decompress(data, MAX_INFLATED + 1 - len(found))
        except zlib.error as error:
            raise InputError(f"the body is not gzip: {error}") from None
        if len(found) > MAX_INFLATED or member.unconsumed_tail:
            raise TooLargeError(f"the body inflates to more than {MAX_INFLATED} bytes; send less at once")
        if not member.eof:
            raise InputError("the gzip body ends in the middle")
        data = member.unused_data
    return bytes(found)
