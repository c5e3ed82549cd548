"""Runs the service: one process, one writer, one signer. Ends cleanly, so that the last head is signed and stored."""

import contextlib
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any, Final

import uvicorn

from lineage_service.recorder.recorder import wall_clock
from lineage_service.server.app import create_app
from lineage_service.server.log_lines import form_for, logging_in
from lineage_service.server.opening import open_installation
from lineage_service.settings import Settings, unknown_names

_GRACE_SECONDS: Final = 10
_SWITCH_SECONDS: Final = 0.0005
"""How long a thread may go on while another waits: a caller whose commit is done shall not wait for others' work."""
_COLLECT_AFTER: Final = (20_000, 50, 20)
"""When the collector of cycles looks. A large answer has tens of thousands of parts, which it went through again and
again while they grew (a quarter of the slowest answers' time), and hardly any of our objects form cycles; but those of
Neo4j's driver do, and to go through 100,000 at once takes longer than most answers."""
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_log = logging.getLogger("lineage.server")


def server_of(settings: Settings, app: Any) -> uvicorn.Server:
    """Return the HTTP server for an application under these settings."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        workers=1,  # one writer a log: more processes would only wait for its lock
        access_log=False,
        server_header=False,
        log_config=logging_in(form_for(settings.log, sys.stderr)),
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies or None,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        lifespan="on",
    )
    return uvicorn.Server(config)


def serve(settings: Settings) -> None:
    """Open the installation and serve until SIGTERM or SIGINT; then sign, store and close."""
    installation = open_installation(settings)
    try:
        server = server_of(settings, create_app(settings, installation, wall_clock))
        logging.captureWarnings(capture=True)
        _warn(settings)
        _log.info("serving %s on %s", installation.origin, settings.listen)
        settle_interpreter()
        with _signals_end_the_server_only():
            server.run()
    finally:
        installation.close()


def settle_interpreter() -> None:
    """Set the interpreter to many short requests; what lives as long as the process is spared by the collector."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.set_threshold(*_COLLECT_AFTER)
    gc.collect()
    gc.freeze()


@contextlib.contextmanager
def _signals_end_the_server_only() -> Iterator[None]:
    """Outlive the signal that ends the server: it raises it again when it is done, and we have a head to sign."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _noted) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _noted(number: int, _frame: FrameType | None) -> None:
    _log.info("ended by signal %d: signing the last head", number)


def _warn(settings: Settings) -> None:
    for name, nearest in unknown_names(os.environ).items():
        _log.warning("%s means nothing here%s", name, f"; did you mean {nearest}?" if nearest else "")
    if settings.host not in _LOOPBACK:
        _log.warning("listening on %s without TLS: put a TLS proxy in front of it", settings.listen)
