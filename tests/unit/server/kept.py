"""What the quarantine holds, read as an operator with the keys reads it."""

from typing import Any

from lineage_service.recorder.payloads import unpack_payload
from tests.service import Service


def kept_bytes(service: Service, record: dict[str, Any]) -> bytes:
    """Return the bytes that a record names as its payload."""
    with service.installation.store.read() as reader:
        (payload,) = reader.payloads([record["source"]["payload"]])
    return unpack_payload(payload, service.installation.secrets)
