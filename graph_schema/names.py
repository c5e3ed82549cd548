"""Node keys: how everything in the graph is called, in events, records, URLs and on the command line.

A key is a kind, a colon and one to four parts with fixed separators, such as ``dataset:s3://bucket::path`` or
``model_version:mlflow-prod::credit/3@1795392378318``. Rules kept here:

- A key parses in exactly one way, different parts give different keys, and no text is refused for its spelling: what
  could be mistaken for a separator, or changed by a normalising tool, is percent-encoded (``key_parts.py``). ``/`` is
  encoded only in versions, environments, regions and the kinds of sources; elsewhere it stays readable.
- The forms of the kinds stand in ``key_forms.py``.
- There is one spelling of each key. ``parse`` refuses every other one; ``canonical`` mends what people type.
- A key never changes. What names one dataset in several worlds is brought together before its key is made
  (``dataset_names.py``); constructors take parts as they are.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from graph_schema.dataset_names import dataset_from_uri, dataset_name
from graph_schema.key_forms import FORMS, KINDS
from graph_schema.key_parts import NOT_ESCAPE, NameSyntaxError, decode_part, encode_part, shown

__all__ = [
    "KINDS",
    "UNKNOWN_CREATION",
    "Name",
    "NameSyntaxError",
    "by_run_version",
    "canonical",
    "change",
    "column",
    "commit",
    "dataset",
    "dataset_from_uri",
    "dataset_name",
    "dataset_version",
    "decode_part",
    "document",
    "encode_part",
    "experiment",
    "incident",
    "job",
    "kind_of",
    "logged_model",
    "make",
    "model",
    "model_version",
    "parse",
    "person",
    "prompt",
    "prompt_version",
    "report",
    "repository",
    "run",
    "runtime",
    "service_account",
    "source",
    "target",
    "validation",
]

UNKNOWN_CREATION: Final = "?"
"""Stands for the creation time of a version that a fact names by its number only."""

_MAX_CREATED_MS: Final = 2**53 - 1
_REMEMBERED: Final = 16_384
"""How many keys are kept with their parts: facts and questions name the same things again and again."""


@dataclass(frozen=True, slots=True)
class Name:
    """A key taken apart: its kind and its parts, decoded. ``str`` gives the key again."""

    kind: str
    parts: tuple[str, ...]

    def __str__(self) -> str:
        return make(self)

    @property
    def created_ms(self) -> int | None:
        """The creation time of a model or prompt version in milliseconds since 1970, None where it is not known."""
        created = self.parts[-1] if FORMS[self.kind].dated else UNKNOWN_CREATION
        return None if created == UNKNOWN_CREATION else int(created)


def make(name: Name) -> str:
    """Return the key of a name; ``make(parse(key)) == key`` and ``parse(make(name)) == name``.

    Raises:
        NameSyntaxError: for a kind, a number of parts or a creation time that no key has.
    """
    form = FORMS.get(name.kind)
    if form is None or len(name.parts) != len(form.slashes):
        raise NameSyntaxError(f"no key is made of {name.kind} and {len(name.parts)} parts")
    if form.dated and not _is_created(name.parts[-1]):
        raise NameSyntaxError(f"{shown(name.parts[-1])} is no creation time: give milliseconds since 1970, or ?")
    return _key(name.kind, *name.parts)


@lru_cache(maxsize=_REMEMBERED)
def parse(key: str) -> Name:
    """Return the kind and the parts of a key.

    Raises:
        NameSyntaxError: for an unknown kind, a wrong number of parts, and every spelling but the canonical one.
    """
    kind, _, rest = key.partition(":")
    name = _named(key, kind, rest, decode_part)
    if make(name) != key:
        raise NameSyntaxError(f"{shown(key)} is not in canonical form; write {shown(make(name))}")
    return name


def kind_of(key: str) -> str:
    """Return the kind of a key that is known to be one; only the front is looked at.

    Raises:
        NameSyntaxError: for an unknown kind.
    """
    kind = key.partition(":")[0]
    if kind not in FORMS:
        raise NameSyntaxError(f"{shown(key)} does not begin with a kind of node and a colon")
    return kind


def canonical(text: str) -> str:
    """Return the key that a person meant, or the key itself.

    Mended are: letters that should be encoded and encoded ones that need not be, lower-case hex, a plain ``%``,
    capitals in the kind, a line end around it, and spellings of datasets that ``dataset_name`` brings together.
    A text that could be read in two ways is refused, not guessed.

    Raises:
        NameSyntaxError: as ``parse`` does, and for an ambiguous text.
    """
    try:
        name = parse(text)
    except NameSyntaxError:
        name = _parse_typed(text)
    if name.kind in ("dataset", "dataset_version", "column"):
        name = Name(name.kind, (*dataset_name(*name.parts[:2]), *name.parts[2:]))
    return make(name)


def _parse_typed(text: str) -> Name:
    kind, _, rest = text.strip("\t\r\n").partition(":")
    kind = kind.strip().lower()
    separators = FORMS[kind].separators if kind in FORMS else {}
    if any(rest.count(mark) > most for mark, most in separators.items()) or ("::" in separators and ":::" in rest):
        raise NameSyntaxError(
            f"{shown(text)} can be read in more than one way; a {kind} is written {kind}:{FORMS[kind].pattern}, "
            "with %3A, %40 and %2F for a colon, an @ and a / that belong to a part"
        )
    return _named(text, kind, rest, lambda part: decode_part(NOT_ESCAPE.sub("%25", part)))


def _named(text: str, kind: str, rest: str, decode: Callable[[str], str]) -> Name:
    form = FORMS.get(kind)
    if form is None:
        raise NameSyntaxError(
            f"{shown(text)} does not begin with a kind of node and a colon; kinds: {', '.join(KINDS)}"
        )
    parts = form.split(rest)
    if len(parts) != len(form.slashes):
        raise NameSyntaxError(f"{shown(text)}: a {kind} is written {kind}:{form.pattern}")
    return Name(kind, tuple(map(decode, parts)))


@lru_cache(maxsize=_REMEMBERED)
def _key(kind: str, *parts: str) -> str:
    """Return the key of parts; remembered, because most facts name what the facts before them named."""
    form = FORMS[kind]
    encoded = [encode_part(part, slash=slash) for part, slash in zip(parts, form.slashes, strict=True)]
    return f"{kind}:{form.template.format(*encoded)}"


def _is_created(text: str) -> bool:
    number = re.fullmatch("0|[1-9][0-9]{0,15}", text)
    return text == UNKNOWN_CREATION or (number is not None and int(text) <= _MAX_CREATED_MS)


@lru_cache(maxsize=_REMEMBERED)
def _created(milliseconds: int | None) -> str:
    text = UNKNOWN_CREATION if milliseconds is None else str(milliseconds)
    if not _is_created(text):
        raise NameSyntaxError(f"{shown(text)} is no creation time: give milliseconds since 1970, or None")
    return text


# ---------------------------------------------------------------------------------------------- one constructor a kind


def repository(url: str) -> str:
    """Return the key of a source repository."""
    return _key("repository", url)


def commit(sha: str) -> str:
    """Return the key of a commit, named by its full hash."""
    return _key("commit", sha)


def dataset(namespace: str, name: str) -> str:
    """Return the key of a dataset; bring its spelling together with ``dataset_name`` first."""
    return _key("dataset", namespace, name)


def dataset_version(namespace: str, name: str, version: str) -> str:
    """Return the key of one state of a dataset."""
    return _key("dataset_version", namespace, name, version)


def column(namespace: str, name: str, field: str) -> str:
    """Return the key of a field of a dataset."""
    return _key("column", namespace, name, field)


def job(namespace: str, name: str) -> str:
    """Return the key of a job."""
    return _key("job", namespace, name)


def run(identifier: str) -> str:
    """Return the key of a run; the ids of all systems share one space."""
    return _key("run", identifier)


def runtime(digest: str) -> str:
    """Return the key of a training environment, named by its fingerprint."""
    return _key("runtime", digest)


def model(registry: str, name: str) -> str:
    """Return the key of a registered model."""
    return _key("model", registry, name)


def model_version(registry: str, name: str, version: str, created_ms: int | None) -> str:
    """Return the key of a model version.

    The creation time tells it from another of the same number after the name was deleted and made anew; None stands
    for "the one of that number then", and is written ``@?``.
    """
    return _key("model_version", registry, name, version, _created(created_ms))


def prompt(registry: str, name: str) -> str:
    """Return the key of a registered prompt."""
    return _key("prompt", registry, name)


def prompt_version(registry: str, name: str, version: str, created_ms: int | None) -> str:
    """Return the key of a prompt version; ``created_ms`` as in ``model_version``."""
    return _key("prompt_version", registry, name, version, _created(created_ms))


def logged_model(registry: str, identifier: str) -> str:
    """Return the key of a model that a run logged, registered or not; ``identifier`` is MLflow's, such as m-4f1c."""
    return _key("logged_model", registry, identifier)


def target(environment: str, region: str) -> str:
    """Return the key of a deployment target."""
    return _key("target", environment, region)


def change(identifier: str) -> str:
    """Return the key of a change request."""
    return _key("change", identifier)


def validation(identifier: str) -> str:
    """Return the key of a validation."""
    return _key("validation", identifier)


def experiment(identifier: str) -> str:
    """Return the key of an experiment."""
    return _key("experiment", identifier)


def person(pseudonym: str) -> str:
    """Return the key of a person, who is known by a random pseudonym only."""
    return _key("person", pseudonym)


def service_account(pseudonym: str) -> str:
    """Return the key of a technical account, known by a random pseudonym only."""
    return _key("service_account", pseudonym)


def document(digest: str) -> str:
    """Return the key of a document, named by the digest of its bytes."""
    return _key("document", digest)


def incident(identifier: str) -> str:
    """Return the key of an incident."""
    return _key("incident", identifier)


def report(identifier: str) -> str:
    """Return the key of an issued report."""
    return _key("report", identifier)


def source(kind: str, instance: str) -> str:
    """Return the key of a source of facts, such as ``mlflow`` and the name of its server."""
    return _key("source", kind, instance)


# ------------------------------------------------------------------------------------------------- names made of names


def by_run_version(run: str, execution: str) -> str:
    """Return the version text of an output that nobody named: the run's key, and its execution where it has a name.

    ``%`` and ``/`` in the run's id are encoded, so that no two of these texts are alike.
    """
    identifier = parse(run).parts[0].replace("%", "%25").replace("/", "%2F")
    return f"run-{identifier}/{execution}" if execution else f"run-{identifier}"
