"""A world so small that facts collide: what histories are about, and how one more fact is sent.

A fact's counter (``source.order``) is a function of its content, because the same content is one fact, whatever counter
it came with: two tellings that differ in it only could not both be kept.
"""

import json
import zlib
from random import Random
from typing import Any, Final

from graph_schema import names, times
from tests.properties.records import Sent

BASE: Final = times.parse_time("2026-03-01T00:00:00Z")
_SECOND: Final = 1_000_000
_HOUR: Final = 3600 * _SECOND
INSTANTS: Final = tuple(
    BASE + offset
    for offset in (
        0,
        1,
        1 * _SECOND,
        1 * _SECOND + 1,
        2 * _SECOND,
        3 * _SECOND,
        60 * _SECOND,
        _HOUR,
        _HOUR + _SECOND,
        _HOUR + 2 * _SECOND,
        2 * _HOUR,
        2 * _HOUR + _SECOND + 1,
        26 * _HOUR,
    )
)
"""All instants of all facts; some are creation times of versions, some differ from others by a clock offset."""

DATASETS: Final = (
    ("s3://lake one", "raw/2026 käufe"),
    ("postgres://db:5432", "public.features"),
    ("file", "/data/x::y@z 100%"),
)
VERSIONS: Final = ("v1", "v2", "2026-03/é")
RUNS: Final = ("r1", "r 2/é", "r3::x", "r4", "r5")
EXECUTIONS: Final = ("try 1", "try/2")
MODELS: Final = (names.model("mlflow-prod", "credit risk/β"), names.model("mlflow-prod", "bonität"))
PROMPT: Final = names.prompt("mlflow-prod", "greet you")
NUMBERS: Final = ("1", "2", "3", "4")
GENERATIONS: Final = 3
STAGES: Final = ("None", "Staging", "Production", "Archived")
ALIASES: Final = ("champion", "shadow é")
TARGETS: Final = (("prod", "eu-west/1"), ("staging", "us"))
VALIDATIONS: Final = ("holdout 1/é", "bias")
SOURCES: Final = (("mlflow", "prod"), ("openlineage", "airflow main"), ("poller", "prod/é"))
HOUSE: Final = ("lineage", "house")
DIGESTS: Final = ("sha256:aa", "sha256:bb", "md5:cc")
OFFSETS: Final = (-_SECOND, 0, 1, _SECOND, 2 * _SECOND)
COMMITS: Final = ("a" * 40, "b" * 40)
PEOPLE: Final = (
    {"issuer": "mlflow:prod", "subject": "anna"},
    {"issuer": "github", "subject": "anna-b"},
    {"issuer": "mlflow:prod", "subject": "ci bot", "kind": "service_account"},
)


def created_ms(number: str, generation: int) -> int:
    """Return when the version of a number was created in the n-th life of its model."""
    return (BASE + generation * _HOUR) // 1000 + (int(number) - 1) * 1000


class World:
    """What was sent so far, and the choices of one step: a step's choices depend on its own salt only."""

    def __init__(self, *, narrow: bool) -> None:
        self.sent: list[Sent] = []
        self.random = Random(0)  # noqa: S311  a history, not a secret
        self._width = 1 if narrow else None

    def pick(self, things: tuple[Any, ...]) -> Any:
        """Choose anything."""
        return self.random.choice(things)

    def few(self, things: tuple[Any, ...]) -> Any:
        """Choose from a pool that is cut to one in a narrow world."""
        return self.random.choice(things[: self._width])

    def maybe(self, chance: float = 0.5) -> bool:
        """Decide."""
        return self.random.random() < chance

    def moments(self, count: int) -> list[int]:
        """Choose instants, in order; some may be equal."""
        return sorted(self.random.choices(INSTANTS, k=count))

    def version(self, model: str | None = None, loose: float = 0.15) -> dict[str, Any]:
        """Choose a version of a model; loose ones lack the creation time."""
        number = self.pick(NUMBERS[:2] if self._width else NUMBERS)
        item: dict[str, Any] = {"model": model or self.few(MODELS), "version": number}
        if not self.maybe(loose):
            item["created_ms"] = created_ms(number, self.random.randrange(GENERATIONS))
        return item

    def dataset(self) -> dict[str, Any]:
        """Choose a dataset."""
        namespace, name = self.few(DATASETS)
        return {"namespace": namespace, "name": name}

    def actor(self) -> dict[str, Any]:
        """Choose who did it; nobody is observed here."""
        if self.maybe(0.1):
            return {"assurance": "system"}
        actor = {**self.pick(PEOPLE), "assurance": self.pick(("authenticated", "claimed"))}
        if self.maybe(0.1):
            actor["on_behalf_of"] = {"issuer": "github", "subject": "anna-b", "via": "actions"}
        return actor

    def say(
        self,
        word: str,
        body: dict[str, Any],
        at: int | None = None,
        *,
        source: tuple[str, str] | None = None,
        actor: dict[str, Any] | None = None,
        event: str | None = None,
    ) -> None:
        """Send one fact."""
        fact = {
            "type": word,
            "occurred_at": times.format_time(self.pick(INSTANTS) if at is None else at),
            "source": {"event_id": event} if event else {},
            "actor": actor or self.actor(),
            "body": body,
        }
        self.tell(fact, source or self.pick(SOURCES))

    def tell(self, fact: dict[str, Any], source: tuple[str, str]) -> None:
        """Send a fact as this source, with the counter that belongs to its content."""
        claim = {name: value for name, value in fact["source"].items() if name != "order"}
        content = json.dumps([{**fact, "source": claim}, source], sort_keys=True)
        order = zlib.crc32(content.encode()) % 4
        numbered = {**claim, "order": order} if order else claim
        self.sent.append(Sent({**fact, "source": numbered}, *source))

    def sight(self, word: str, body: dict[str, Any], at: int, after: int | None) -> None:
        """Send a sighting: nobody is known, and the change came after ``after``."""
        window = {} if after is None else {"not_before": times.format_time(after)}
        self.say(word, {**body, **window}, at, actor={"assurance": "observed"})
