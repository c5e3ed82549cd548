"""From settings to an open installation, for the server and for those commands that open the store themselves."""

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsError as UnreadableError

from lineage_service.errors import SettingsError
from lineage_service.recorder.installation import Installation, Places
from lineage_service.recorder.recorder import wall_clock
from lineage_service.settings import PREFIX, TOML_FILE, Settings
from lineage_service.store.sqlite import SqliteStore


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
    return Places(settings.database, settings.keys)


def open_installation(settings: Settings, *, clock: Callable[[], int] = wall_clock) -> Installation:
    """Open the installation for writing; the errors say what is missing or who holds it."""
    places = places_of(settings)
    store = SqliteStore(places.database)
    try:
        return Installation(places, store, clock=clock)
    except BaseException:
        store.close()
        raise
