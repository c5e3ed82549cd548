"""Raw payloads at rest: compressed, encrypted under a key of their own, named by a salted digest.

With them the secrets of a log, which seal everything that is kept beside its records.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lineage_service.ledger import sealing
from lineage_service.store.protocol import Payload

_SALT_BYTES: Final = 16
_MAX_INFLATED: Final = 64 * 1024 * 1024

# A preset dictionary of what such bodies share: 391 bytes instead of 929 for a typical event in the same time.
_TYPICAL: Final = (
    b'{"eventTime":"2026-01-01T00:00:00.000Z","eventType":"COMPLETE","inputs":[{"facets":{"schema":{"_producer":'
    b'"https://github.com/OpenLineage/OpenLineage/tree/1.54.0/client/python","_schemaURL":"https://openlineage.io/spec'
    b'/facets/1-2-0/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet","fields":[{"name":"","type":"string"}]}},"name":'
    b'"","namespace":"s3://"}],"job":{"facets":{"jobType":{"integration":"","jobType":"","processingType":"BATCH"}},'
    b'"name":"","namespace":""},"outputs":[],"producer":"","run":{"facets":{"parent":{"job":{"name":"","namespace":""},'
    b'"run":{"runId":""}}},"runId":""},"schemaURL":"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"}'
)


@dataclass(frozen=True, slots=True)
class Secrets:
    """What identifies and seals: the log's name, the key of event ids, the keyring. Never logged."""

    origin: str
    id_key: bytes
    keyring: sealing.Keyring

    def __repr__(self) -> str:
        return f"Secrets({self.origin!r})"


def pack_payload(raw: bytes, secrets: Secrets, random: Callable[[int], bytes]) -> Payload:
    """Return the payload at rest; its ``seq`` is filled in by the writer."""
    salt = random(_SALT_BYTES)
    digest = sealing.salted_digest(salt, raw)
    packer = zlib.compressobj(level=6, zdict=_TYPICAL)
    packed = packer.compress(raw) + packer.flush()
    key, wrapped = secrets.keyring.new_key()
    bound_to = f"{secrets.origin}|payload|{digest}".encode()
    return Payload(-1, digest, salt, wrapped, secrets.keyring.seal(key, packed, bound_to))


def unpack_payload(payload: Payload, secrets: Secrets) -> bytes:
    """Return the raw bytes; SealError if they are not the ones its digest names."""
    bound_to = f"{secrets.origin}|payload|{payload.digest}".encode()
    packed = secrets.keyring.open(secrets.keyring.unwrap(payload.key), payload.ciphertext, bound_to)
    raw = zlib.decompressobj(zdict=_TYPICAL).decompress(packed, _MAX_INFLATED)
    if sealing.salted_digest(payload.salt, raw) != payload.digest:
        raise sealing.SealError(f"payload {payload.digest} does not have the digest that names it")
    return raw
