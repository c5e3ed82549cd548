"""From settings to an open installation, for the server and for those commands that open the store themselves."""

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsError as UnreadableError

from lineage_service.errors import SettingsError
from lineage_service.recorder.installation import Installation, Places
from lineage_service.recorder.recorder import wall_clock
from lineage_service.settings import PREFIX, TOML_FILE, Settings
from lineage_service.store.address import Address
from lineage_service.store.opening import open_store


def read_settings(**given: Any) -> Settings:
    """Read the settings; SettingsError names each wrong one. ``given`` wins over environment and file."""
    try:
        return Settings(**given)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        told = [f"{PREFIX}{str((*fault['loc'], 'TOKEN')[0]).upper()}: {fault['msg']}" for fault in faults]
        raise SettingsError("; ".join(told)) from None
    except (UnreadableError, OSError, ValueError) as error:
        raise SettingsError(f"the settings or {TOML_FILE} cannot be read: {error}") from error


def places_of(settings: Settings) -> Places:
    """Return where the installation of these settings keeps what."""
    if settings.database is not None:
        return Places(settings.database, settings.keys)
    address = Address(
        str(settings.store), settings.neo4j_user, _password(settings), settings.neo4j_database
    )
    return Places(address, settings.keys)


def _password(settings: Settings) -> str:
    """Return the password of the Neo4j account; SettingsError if there is none."""
    if settings.neo4j_password is not None:
        return settings.neo4j_password.get_secret_value()
    if settings.neo4j_password_file is None:
        raise SettingsError(f"{settings.store} asks for a password: give its file as {PREFIX}NEO4J_PASSWORD_FILE")
    told = f"{PREFIX}NEO4J_PASSWORD_FILE: {settings.neo4j_password_file}"
    try:
        text = settings.neo4j_password_file.read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{told} cannot be read: {error}") from error
    if not text:
        raise SettingsError(f"{told} is empty")
    return text


def open_installation(settings: Settings, *, clock: Callable[[], int] = wall_clock) -> Installation:
    """Open the installation for writing; the errors say what is missing or who holds it."""
    places = places_of(settings)
    store = open_store(places.database)
    try:
        return Installation(places, store, clock=clock, signs=settings.signer == "inprocess")
    except BaseException:
        store.close()
        raise
