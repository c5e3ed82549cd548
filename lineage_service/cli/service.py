"""How the verbs reach the running service: address and token from the settings, and nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager

from lineage_service.client import Credential, LineageClient
from lineage_service.server.opening import read_settings
from lineage_service.settings import Settings


def credential_of(settings: Settings) -> Credential:
    """Return the credential that the settings name; that there is none is found out when it is needed."""
    text = None if settings.token is None else settings.token.get_secret_value()
    return Credential(text or None, settings.token_file)


@contextmanager
def connected(settings: Settings | None = None) -> Iterator[LineageClient]:
    """Give a client of the service that the settings name."""
    given = settings or read_settings()
    with LineageClient(given.url, credential_of(given)) as client:
        yield client
