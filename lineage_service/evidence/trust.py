"""What a verification starts from: the key or the genesis hash that somebody noted down outside of the log.

A log can only be checked against what does not come from it (immudb CVE-2022-39199: the identity of the log must be
pinned). Without any such input the records can be shown to agree with each other, and no more.

A trust file holds one input a line: the log's verifier key (``name+id+base64``), or the leaf hash of record 0 in hex,
which vouches for the keys in it. Empty lines and lines that begin with ``#`` are left out. The verifier key of the
*root* is compared with the genesis but does not raise the level: it did not sign the log key.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lineage_service.errors import InputError
from lineage_service.ledger.errors import KeyFileError, NoteError
from lineage_service.ledger.keys import load_key
from lineage_service.ledger.note import VerifierKey, parse_vkey

_HASH: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_MAX_BYTES: Final = 65_536
ROOT_SUFFIX: Final = "/root"


@dataclass(frozen=True, slots=True)
class Trust:
    """Inputs from outside: keys of the log, its genesis hash, its root key; and where they come from, in words."""

    log_keys: tuple[VerifierKey, ...] = ()
    genesis: str | None = None
    root_key: VerifierKey | None = None
    origin: str | None = None
    said: tuple[str, ...] = ()


def read_trust(path: Path) -> Trust:
    """Read a trust file; InputError says which line is wrong."""
    keys: list[VerifierKey] = []
    root, genesis = None, None
    for number, line in enumerate(_text(path).splitlines(), 1):
        entry = line.strip()
        if not entry or entry.startswith("#"):
            continue
        if _HASH.fullmatch(entry):
            genesis = entry
            continue
        try:
            key = parse_vkey(entry)
        except NoteError as error:
            problem = f"line {number} of {path} is no verifier key and no genesis hash: {error}"
            raise InputError(problem, field="trust") from error
        if key.name.endswith(ROOT_SUFFIX):
            root = key
        else:
            keys.append(key)
    origins = {key.name for key in keys} | ({root.name.removesuffix(ROOT_SUFFIX)} if root else set())
    if len(origins) > 1:
        raise InputError(f"the trust file {path} names several logs: {', '.join(sorted(origins))}", field="trust")
    said = [f"verifier key of the log, {key.key_id.hex()}, from {path}" for key in keys]
    said += [f"genesis hash {genesis} from {path}"] if genesis else []
    said += [f"root key {root.key_id.hex()} from {path}"] if root else []
    if not said:
        raise InputError(f"the trust file {path} holds neither a verifier key nor a genesis hash", field="trust")
    return Trust(tuple(keys), genesis, root, next(iter(origins), None), tuple(said))


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the trust file {path}: {error}", field="trust") from error
    if len(content) > _MAX_BYTES:
        raise InputError(f"the trust file {path} is too large to be one", field="trust")
    return text


def own_trust(log_key: Path) -> Trust:
    """Return what the installation itself knows: its log key, if it is there and can be read; else nothing."""
    try:
        key = load_key(log_key).verifier
    except KeyFileError:
        return Trust()
    said = f"the installation's own log key, {key.key_id.hex()}, from {log_key}: whoever holds this folder can sign"
    return Trust(log_keys=(key,), origin=key.name, said=(said,))
