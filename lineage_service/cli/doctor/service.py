"""The service as it answers: is it ready, is it this version, does its clock agree, and does it know our token."""

from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx

import lineage_service
from graph_schema import times
from lineage_service.cli.doctor.seen import Seen, span
from lineage_service.cli.service import credential_of
from lineage_service.client import CredentialError
from lineage_service.server.expiry import HEADER, SOON_DAYS
from lineage_service.settings import Settings

_SECONDS: Final = 3.0
_UNAUTHENTICATED: Final = 401
_CLOSE: Final = 2 * times.MICROS_PER_SECOND
"""A date in a header is cut to seconds, so less than this tells nothing."""
_REFUSED: Final = 300 * times.MICROS_PER_SECOND
"""Facts dated this far ahead of the service's clock are refused."""


def look(settings: Settings, clock: Callable[[], int]) -> Iterator[Seen]:
    """Look at the service that the settings name."""
    try:
        opened = httpx.Client(base_url=settings.url.rstrip("/"), timeout=_SECONDS)
    except httpx.InvalidURL as error:
        yield Seen("wrong", f"LINEAGE_URL is no address: {error}", "set LINEAGE_URL to that of the service")
        return
    with opened as client:
        asked = clock()
        try:
            response = client.get("/readyz")
            found = response.json()
        except (httpx.HTTPError, ValueError):
            yield Seen("note", f"no service answers at {settings.url}", "lineage serve")
            return
        yield _ready(settings.url, found)
        yield from _clocks(response, (asked + clock()) // 2)
        try:
            yield from _version(client)
            yield from _token(settings, client, clock())
        except (httpx.HTTPError, ValueError) as error:
            yield Seen("wrong", f"the service stopped answering ({type(error).__name__})", "look at what it prints")


def _ready(url: str, found: Any) -> Seen:
    status = found.get("status") if isinstance(found, dict) else None
    if status == "ok":
        return Seen("good", f"the service at {url} is ready")
    if status == "degraded":
        return Seen("tampered", f"the service at {url} found its data contradicting itself", "lineage verify --deep")
    return Seen("wrong", f"the service at {url} is not ready", "look at what it prints")


def _clocks(response: httpx.Response, now: int) -> Iterator[Seen]:
    try:
        told = int(parsedate_to_datetime(response.headers.get("Date", "")).timestamp()) * times.MICROS_PER_SECOND
    except (ValueError, TypeError):
        return  # a proxy took the date away: nothing is known of the service's clock
    offset = told + times.MICROS_PER_SECOND // 2 - now
    if abs(offset) <= _CLOSE:
        yield Seen("good", "its clock agrees with ours")
        return
    what = f"this clock is {span(offset)} {'behind' if offset > 0 else 'ahead of'} the service's"
    if -offset > _REFUSED:
        what += ", and facts dated more than 5 minutes ahead are refused"
    yield Seen("wrong" if abs(offset) > _REFUSED else "note", what, "set both clocks: timedatectl set-ntp true")


def _version(client: httpx.Client) -> Iterator[Seen]:
    described = client.get("/openapi.json").json()
    info = described.get("info", {}) if isinstance(described, dict) else {}
    theirs, ours = info.get("version"), lineage_service.__version__
    if theirs == ours:
        yield Seen("good", f"it runs this version, {ours}")
    else:
        mend = f"install the same version on both sides: pip install lineage-service=={theirs}"
        yield Seen("note", f"it runs version {theirs}, and this is {ours}", mend)


def _token(settings: Settings, client: httpx.Client, now: int) -> Iterator[Seen]:
    if settings.token is None and settings.token_file is None:
        mend = "set LINEAGE_TOKEN or LINEAGE_TOKEN_FILE"
        yield Seen("note", "no token is set here: commands that ask the service will not work", mend)
        return
    mend = "ask an admin for a new one: lineage token create PERSON (or --source KIND/NAME)"
    try:
        token = credential_of(settings).read()
    except CredentialError as error:
        yield Seen("wrong", str(error), mend)
        return
    response = client.get("/api/v1/checkpoint", headers={"Authorization": f"Bearer {token}"})
    if response.status_code == _UNAUTHENTICATED:
        told = response.json().get("detail", "no reason was given")
        yield Seen("wrong", f"the token that is set here is not accepted: {told}", mend)
    elif HEADER in response.headers:
        end = times.parse_time(response.headers[HEADER])
        yield Seen("note", f"the token that is set here ends in {span(end - now)}, at {times.format_time(end)}", mend)
    else:
        yield Seen("good", f"the token that is set here is accepted, and valid for {SOON_DAYS} days and more")
