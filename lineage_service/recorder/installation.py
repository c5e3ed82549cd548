"""What one log consists of, created once and opened by whoever writes: keys, signer state, store.

The keys and the signer's memory live outside the database, so that whoever copies or restores the database
alone can neither sign, nor open personal values, nor roll the log back unseen. The root key signs only when
the log key is replaced or revoked: its file is written apart and belongs on another machine.
"""

import os
import secrets as random_source
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import lineage_service
from graph_schema import times
from graph_schema.events.archive import ClockAnomaly, LedgerOpened
from graph_schema.fold import FOLD_VERSION
from lineage_service.errors import SettingsError, StoreUnavailableError
from lineage_service.ledger import keys, sealing
from lineage_service.ledger.signer import Signer, create_state
from lineage_service.recorder.following import HeadFollower
from lineage_service.recorder.heads import HeadSigner
from lineage_service.recorder.payloads import Secrets
from lineage_service.recorder.preparation import Incoming, Preparation, Prepared, Sender
from lineage_service.recorder.recorder import Recorder, wall_clock
from lineage_service.store.address import Database
from lineage_service.store.opening import create_store, open_store
from lineage_service.store.protocol import Head, Store

PROFILE: Final = "LJ1/RFC6962/C2SP-checkpoint/Ed25519"
OWN_KIND: Final = "lineage"


@dataclass(frozen=True, slots=True)
class Places:
    """Where an installation keeps what: the ledger, and the folder of keys and signer state."""

    database: Database
    keys: Path

    @property
    def file(self) -> Path:
        """The ledger's file, for what works on files alone; StoreUnavailableError if the ledger is on a server."""
        if isinstance(self.database, Path):
            return self.database
        raise StoreUnavailableError(f"this works on a ledger in a file, and this one is at {self.database}")

    @property
    def beside(self) -> Path:
        """What small files about the ledger are named after: its file; of one on a server, a name beside the keys."""
        return self.database if isinstance(self.database, Path) else self.keys / "ledger"

    @property
    def log_key(self) -> Path:
        """The key that signs checkpoints."""
        return self.keys / "log.key"

    @property
    def root_key(self) -> Path:
        """The key that vouches for the log key; to be moved away."""
        return self.keys / "root.key"

    @property
    def kek(self) -> Path:
        """The key that wraps the data keys of personal values."""
        return self.keys / "vault.key"

    @property
    def id_key(self) -> Path:
        """The key of event ids and pseudonym look-ups."""
        return self.keys / "id.key"

    @property
    def signer_state(self) -> Path:
        """The signer's memory of the last head."""
        return self.keys / "signer.state"


class Installation:
    """An open log: store, preparation, recorder, signer. Close it to sign and store the last head."""

    def __init__(
        self, places: Places, store: Store, *, clock: Callable[[], int] = wall_clock, signs: bool = True
    ) -> None:
        """Open for writing; refuses while another process holds the signer's lock.

        One that does not sign takes no lock and waits for the signatures of the process that does; only a ledger on a
        server can have several writers.
        """
        self.places = places
        self.store = store
        self.clock = clock
        log_key = keys.load_key(places.log_key)
        self.origin = log_key.name
        self.log_vkey = log_key.vkey
        self.secrets = load_secrets(places, self.origin)
        self.own = Sender(OWN_KIND, self.origin, "system")
        self.heads = self._signing(log_key, store) if signs else self._following(log_key, store)
        try:
            _require_same_fold(self.heads.head)
        except BaseException:
            self.heads.close()
            raise
        self.preparation = Preparation(self.secrets, store.vault(), clock=clock)
        self._counter = 0
        self._at = 0
        self._counting = threading.Lock()
        shared = not isinstance(places.database, Path)
        self.recorder = Recorder(store, self.heads, clock=clock, anomaly=self._anomaly, shared=shared)

    def _signing(self, log_key: keys.SigningKey, store: Store) -> HeadSigner:
        signer = Signer(log_key, self.places.signer_state)
        try:
            return HeadSigner(signer, self.origin, store, self.secrets.id_key)
        except BaseException:
            signer.close()
            raise

    def _following(self, log_key: keys.SigningKey, store: Store) -> HeadFollower:
        if isinstance(self.places.database, Path):
            raise SettingsError(
                "a ledger in a file has one writer, which also signs: set LINEAGE_SIGNER to inprocess, or move the "
                "ledger to a server with `lineage copy`"
            )
        return HeadFollower(store, log_key.verifier, self.secrets.id_key)

    def own_event(
        self, cls: type[Any], body: dict[str, Any], actor: dict[str, Any] | None = None, *, after: int = 0
    ) -> Incoming:
        """Return a fact of our own: our clock, our counter, ``system`` unless somebody commanded it.

        ``after`` is an instant (microseconds) that the fact follows even if our clock went back.
        """
        with self._counting:
            now = max(self.clock(), after)
            order = self._counter = max(self._counter + 1, now)
            # Two facts of ours never share an instant, or equal ones would be one fact; a clock that went back shows.
            close = now <= self._at < now + times.MICROS_PER_SECOND
            at = self._at = self._at + 1 if close else now
        event = cls.model_validate(
            {
                "type": cls.model_fields["type"].annotation.__args__[0],
                "occurred_at": times.format_time(at),
                "source": {"order": order},
                "actor": actor or {"assurance": "system"},
                "body": body,
            }
        )
        return Incoming(event, self.own)

    def _anomaly(self, last: int, now: int) -> Prepared:
        body = {"last": times.format_time(last), "now": times.format_time(now)}
        return self.preparation.prepare([self.own_event(ClockAnomaly, body)])[0]

    def close(self) -> None:
        """Sign and store the last head, then release everything."""
        self.recorder.close()
        self.heads.close()
        self.store.close()


def _require_same_fold(head: Head) -> None:
    if head.size and head.fold_version != FOLD_VERSION:
        raise StoreUnavailableError(
            f"the graph was folded by version {head.fold_version} of the language, this program folds by version "
            f"{FOLD_VERSION}: run `lineage rebuild`. The ledger is safe and is not touched by it."
        )


def load_secrets(places: Places, origin: str) -> Secrets:
    """Read the secrets that seal and identify; KeyFileError says which file is missing or too open."""
    keyring = sealing.Keyring(keys.load_secret(places.kek), os.urandom)
    return Secrets(origin, keys.load_secret(places.id_key), keyring)


def create(places: Places, *, origin: str | None, clock: Callable[[], int] = wall_clock) -> Installation:
    """Create keys, store and genesis; SettingsError if there is something already, and nothing is touched then."""
    for path in (places.log_key, places.root_key, places.kek, places.id_key, places.signer_state):
        if path.exists():
            raise SettingsError(f"{path} exists: this place holds a log already; choose another LINEAGE_DATA_DIR")
    name = f"{origin or 'lineage.local'}/{random_source.token_hex(3)}"
    create_store(places.database)
    store = _empty_store(places)
    places.keys.mkdir(parents=True, exist_ok=True, mode=0o700)
    log_key = keys.generate_signing_key(name)
    root_key = keys.generate_signing_key(f"{name}/root")
    keys.save_key(places.log_key, log_key)
    keys.save_key(places.root_key, root_key)
    keys.save_secret(places.kek, os.urandom(sealing.KEY_BYTES))
    keys.save_secret(places.id_key, os.urandom(sealing.KEY_BYTES))
    create_state(places.signer_state)
    installation = Installation(places, store, clock=clock)
    body = {
        "origin": name,
        "log_key": log_key.vkey,
        "log_key_proof": keys.proof_of_possession(name, log_key),
        "root_key": root_key.vkey,
        "root_key_proof": keys.proof_of_possession(name, root_key),
        "profile": PROFILE,
        "software": f"lineage-service {lineage_service.__version__}",
    }
    prepared = installation.preparation.prepare([installation.own_event(LedgerOpened, body)])
    installation.recorder.record(prepared, ack="signed")
    installation.recorder.keep_head()  # from here on, a ledger without a stored checkpoint is a fault
    return installation


def _empty_store(places: Places) -> Store:
    store = open_store(places.database)
    with store.begin() as transaction:
        head, _ = transaction.head([])
    if head.size:
        store.close()
        raise StoreUnavailableError(f"{places.database} holds {head.size} records already; its keys are missing")
    return store
