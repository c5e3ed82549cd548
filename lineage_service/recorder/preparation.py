"""From a validated event to everything the writer needs, before any lock is taken.

Steps, in this order because each needs the one before: normalise, identify, cap the assurance, refuse the
future, allocate pseudonyms, seal, fold. What can fail fails here, so that a poisoned request harms nobody.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from graph_schema import canonical, names, times
from graph_schema.changes import Changes, ImpossibleEdgeError
from graph_schema.events.registry import OWN_TYPES
from graph_schema.fold import fold
from graph_schema.sealing import Disclosure, Person, people, seal
from lineage_service.errors import InputError, StoreUnavailableError
from lineage_service.ledger import sealing
from lineage_service.recorder.payloads import Secrets, pack_payload
from lineage_service.store.protocol import MAX_KEY_BYTES, Payload
from lineage_service.store.vault import NewPerson, SealedValue, Vault

MAX_RECORD_BYTES: Final = 32_768
FUTURE_MICROS: Final = 5 * 60 * times.MICROS_PER_SECOND
_KNOWN_PEOPLE: Final = 10_000
_RANK: Final = {"observed": 0, "claimed": 1, "authenticated": 2, "system": 3}
_GROWTH: Final = 128
"""More bytes than a sealed value adds to the normal form: its digest, and the reference that stands in its place."""
_ENVELOPE: Final = 1024
"""More bytes than a record has beside the normal form, the log's name and the source's ``ref``."""
_WIDEST: Final = 6
"""Bytes of JSON that one character can take."""
_FRAME: Final = len('"prev":"","seq":9007199254740991,"time":"2026-11-22T23:57:16.123456Z",') + 64


@dataclass(frozen=True, slots=True)
class Sender:
    """Who hands in a fact, as the server knows it: the source it is recorded under and its assurance cap."""

    kind: str
    instance: str
    cap: str = "authenticated"

    @property
    def key(self) -> str:
        """The source's node."""
        return names.source(self.kind, self.instance)


@dataclass(frozen=True, slots=True)
class Incoming:
    """A validated event on its way in, with the raw bytes it was made from when those are to be kept.

    ``fingerprint`` tells facts of different inputs apart where their translation alone would not; default: the payload.
    """

    event: Any
    sender: Sender
    payload: bytes | None = None
    fingerprint: bytes | None = None


@dataclass(slots=True)
class Prepared:
    """A record that lacks only its number, the hash before it and its time."""

    id: str
    template: dict[str, Any]
    changes: Changes
    sealed: list[SealedValue] = field(default_factory=list)
    payload: Payload | None = None


@dataclass(frozen=True, slots=True)
class _Somebody:
    """A pseudonym with the data key of whoever it stands for."""

    pseudonym: str
    key: bytes


@dataclass(slots=True)
class _Request:
    """What the events of one request share: who is named, their keys, the payloads packed so far.

    The keys are the request's own copy, so that a cache emptied meanwhile never leaves a person's value under a
    key that an erasure of that person would not find.
    """

    pseudonyms: dict[Person, str]
    keys: dict[str, bytes]
    payloads: dict[bytes, Payload] = field(default_factory=dict)


class Preparation:
    """Prepares requests for one log. Thread-safe: its caches only ever hold what is already stored."""

    def __init__(
        self,
        secrets: Secrets,
        vault: Vault,
        *,
        clock: Callable[[], int],
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._secrets = secrets
        self._vault = vault
        self._clock = clock
        self._random = random
        self._known: dict[Person, _Somebody] = {}

    def prepare(self, request: Sequence[Incoming]) -> list[Prepared]:
        """Prepare the events of one request; InputError names the index and field of the first at fault."""
        normalised = [self._normalise(index, incoming) for index, incoming in enumerate(request)]
        named = self._somebodies({person for event in normalised for person in people(event)})
        shared = _Request(
            {person: one.pseudonym for person, one in named.items()},
            {one.pseudonym: one.key for one in named.values()},
        )
        prepared = []
        for index, (incoming, event) in enumerate(zip(request, normalised, strict=True)):
            try:
                prepared.append(self._prepare_one(incoming, event, shared))
            except (ImpossibleEdgeError, canonical.CanonicalError) as error:
                raise InputError(str(error), field="body", index=index) from error
        return prepared

    def _normalise(self, index: int, incoming: Incoming) -> dict[str, Any]:
        event: dict[str, Any] = incoming.event.model_dump(by_alias=True, exclude_defaults=True)
        late = times.parse_time(event["occurred_at"]) - self._clock() - FUTURE_MICROS
        if late > 0:
            raise InputError(
                f"occurred_at {event['occurred_at']} is more than 5 minutes ahead of this server's clock; "
                "restamp it with the collector's own clock and keep the claimed time in the body",
                field="occurred_at",
                index=index,
            )
        claim = event.get("source", {})
        event["source"] = {"kind": incoming.sender.kind, "instance": incoming.sender.instance, **claim}
        return event

    def _prepare_one(
        self,
        incoming: Incoming,
        event: dict[str, Any],
        shared: _Request,
    ) -> Prepared:
        identifier, size = self._identify(event, incoming.fingerprint or incoming.payload)
        sealed, disclosures = seal(event, shared.pseudonyms)
        if event["type"] not in OWN_TYPES:
            cap_assurance(sealed["actor"], incoming.sender.cap)
        template: dict[str, Any] = {
            "v": 1,
            "log": self._secrets.origin,
            "id": identifier,
            "type": event["type"],
            "ev": event.get("ev", 1),
            "occurred_at": event["occurred_at"],
            "actor": sealed["actor"],
            "source": event["source"],
            "body": sealed["body"],
        }
        rows = self._seal(identifier, disclosures, shared.keys)
        if rows:
            template["sd"] = [row.digest for row in rows]
        payload = None
        if incoming.payload is not None:
            payload = shared.payloads.get(incoming.payload)
            if payload is None:
                payload = pack_payload(incoming.payload, self._secrets, self._random)
                shared.payloads[incoming.payload] = payload
            template["source"]["payload"] = payload.digest
        uncounted = self._secrets.origin + template["source"].get("ref", "")
        self._refuse_large(template, size + len(rows) * _GROWTH + len(uncounted) * _WIDEST + _ENVELOPE)
        changes = fold(template)
        _refuse_long(changes)
        return Prepared(identifier, template, changes, rows, payload)

    def _identify(self, event: Mapping[str, Any], fingerprint: bytes | None) -> tuple[str, int]:
        """Return the id of an event and how many bytes its normal form has.

        Facts made of raw bytes are told apart by these too; their plain digest is in memory only.
        """
        source = {key: value for key, value in event["source"].items() if key not in {"order", "ref"}}
        if fingerprint is not None:
            source["payload"] = sha256(fingerprint).hexdigest()
        at = times.parse_time(event["occurred_at"])
        normalised = canonical.encode_unchecked({**event, "source": source})
        return sealing.event_id(self._secrets.id_key, at, normalised), len(normalised)

    @staticmethod
    def _refuse_large(template: Mapping[str, Any], at_most: int) -> None:
        """Refuse what is too large; ``at_most`` bytes are known, and few records come near the limit with these."""
        if at_most <= MAX_RECORD_BYTES:
            return
        size = len(canonical.encode_unchecked(template)) + _FRAME
        if size > MAX_RECORD_BYTES:
            raise canonical.CanonicalError(
                "", f"the record would have {size} bytes, more than {MAX_RECORD_BYTES}: send the fact in several parts"
            )

    def _seal(self, identifier: str, disclosures: Sequence[Disclosure], keys: Mapping[str, bytes]) -> list[SealedValue]:
        """Seal what was taken out: under the person's own key, or under one that lives in the row itself."""
        keyring, rows = self._secrets.keyring, []
        for item in disclosures:
            value, digest = sealing.commit(item.field, item.value, self._random)
            wrapped = None
            if item.owner in keys:
                key = keys[item.owner]
            else:
                key, wrapped = keyring.new_key()
            bound_to = f"{self._secrets.origin}|{identifier}|{digest}".encode()
            rows.append(SealedValue(-1, digest, item.owner, wrapped, keyring.seal(key, value, bound_to)))
        return rows

    def pseudonym(self, person: Person) -> str:
        """Return the pseudonym of somebody, allocating it if need be."""
        return self._somebodies({person})[person].pseudonym

    def _somebodies(self, wanted: set[Person]) -> dict[Person, _Somebody]:
        known = self._known
        found = {person: known[person] for person in wanted if person in known}
        if missing := wanted - found.keys():
            found.update(self._allocate(missing))
        return found

    def _allocate(self, missing: set[Person]) -> dict[Person, _Somebody]:
        """Find or create pseudonyms in a short transaction of the vault's own; an orphan is harmless."""
        keyring = self._secrets.keyring
        macs = {person: sealing.keyed_digest(self._secrets.id_key, *person) for person in missing}
        fresh = {}
        for person in sorted(missing):
            key, wrapped = keyring.new_key()
            prefix = "s_" if person[2] == "service_account" else "p_"
            pseudonym = prefix + sealing.token_text(self._random(12))
            identity = keyring.seal(key, canonical.encode(list(person)), f"{self._secrets.origin}|{pseudonym}".encode())
            fresh[person] = NewPerson(pseudonym, wrapped, identity)
        pseudonyms = self._vault.pseudonyms(macs, fresh)
        keys = self._vault.subject_keys(list(pseudonyms.values()))
        if len(keys) < len(set(pseudonyms.values())):
            raise StoreUnavailableError("somebody named here was erased just now; nothing was recorded, try again")
        found = {
            person: _Somebody(pseudonym, keyring.unwrap(keys[pseudonym])) for person, pseudonym in pseudonyms.items()
        }
        if len(self._known) + len(found) > _KNOWN_PEOPLE:
            self.forget()
        self._known.update(found)
        return found

    def forget(self) -> None:
        """Drop cached pseudonyms and keys, after an erasure."""
        self._known = {}


def _refuse_long(changes: Changes) -> None:
    """Refuse names that no index of a store can hold, alone or with the slot and the order key of a point."""
    order = 2 * len(changes.order)
    lengths = [len(key.encode()) for key in changes.nodes]
    lengths += [len(f"{subject}{slot}".encode()) + order for subject, slot, _, _ in changes.points]
    longest = max(lengths, default=0)
    if longest > MAX_KEY_BYTES:
        raise canonical.CanonicalError(
            "", f"its names make a key of {longest} bytes, more than {MAX_KEY_BYTES}: shorten them, or name a digest"
        )


def cap_assurance(actor: dict[str, Any], cap: str) -> None:
    """Lower what a sender claims about an actor to what its token may claim; only ``observed`` names nobody."""
    if _RANK[actor["assurance"]] > _RANK[cap]:
        actor["assurance"] = cap if "id" in actor else "observed"  # nobody named: nobody authenticated or claimed
    if actor["assurance"] == "observed":
        actor.pop("id", None)
