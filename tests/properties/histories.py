"""Hypothesis strategies for histories: 20 to 200 facts over a small world, in some order of arrival.

A history is drawn as a plan (``plans.py``): a list of steps, each of which sends one to six facts that tell a story.
``census`` names the special cases that a history holds.
"""

from typing import Final

from hypothesis import strategies as st

from graph_schema import names, times
from tests.properties import reference_bodies
from tests.properties.census import CASES, census
from tests.properties.histories_of_data import (
    Item,
    a_job,
    a_lifecycle,
    a_measure,
    a_stated_origin,
    an_execution,
    an_input,
    some_columns,
    some_roles,
    tell_run,
)
from tests.properties.model_steps import MODEL_STEPS
from tests.properties.plans import ARRIVALS, SALTS, Plan, Step
from tests.properties.records import Sent, record_of
from tests.properties.world import (
    ALIASES,
    COMMITS,
    DATASETS,
    DIGESTS,
    EXECUTIONS,
    GENERATIONS,
    HOUSE,
    INSTANTS,
    MODELS,
    NUMBERS,
    OFFSETS,
    PEOPLE,
    PROMPT,
    RUNS,
    SOURCES,
    STAGES,
    TARGETS,
    VALIDATIONS,
    VERSIONS,
    World,
    created_ms,
)

__all__ = ["CASES", "END", "census", "cuts", "histories"]

END: Final = 253_402_300_799_999_999
"""An instant after every fact."""
MOST: Final = 200
def a_run(w: World) -> None:
    run, execution, (start, end) = w.few(RUNS), an_execution(w), w.moments(2)
    read = [an_input(w) | some_roles(w) for _ in range(w.random.randrange(3))]
    tell_run(w, run, start, execution, state="started", inputs=read)
    written = [an_input(w) for _ in range(w.random.randrange(3))]
    tell_run(w, run, end, execution, state=w.pick(("complete", "failed", "aborted", "running")), outputs=written)


def a_failure_then_a_completion(w: World) -> None:
    run, execution, (start, failed, complete) = w.few(RUNS), an_execution(w), w.moments(3)
    tell_run(w, run, start, execution, state="running", outputs=[an_input(w)])
    tell_run(w, run, failed, execution, state="failed")
    tell_run(w, run, complete, execution, state="complete")


def a_rerun(w: World) -> None:
    run, (start, end, again, over) = w.few(RUNS), w.moments(4)
    first, second = w.pick(((None, None), EXECUTIONS))
    tell_run(w, run, start, first, state="started")
    tell_run(w, run, end, first, state=w.pick(("failed", "complete")), outputs=[an_input(w, 0.3)])
    tell_run(w, run, again, second, state="started")
    tell_run(w, run, over, second, state=w.pick(("complete", "aborted")), outputs=[an_input(w, 0.3)])


def a_chain(w: World) -> None:
    """Data written, read without a version by the next run, and a model made of it."""
    writer, reader = w.random.sample(RUNS[:3], 2)
    item, execution, (wrote, ended, start, made) = w.dataset(), an_execution(w), w.moments(4)
    output = item if w.maybe() else {**item, "version": w.pick(VERSIONS)}
    tell_run(w, writer, wrote, execution, outputs=[{**output, "digest": w.pick(DIGESTS)} if w.maybe(0.3) else output])
    if w.maybe(0.7):
        tell_run(w, writer, ended, execution, state=w.pick(("complete", "complete", "failed")))
    digest = {"digest": w.pick(DIGESTS)} if w.maybe(0.3) else {}
    tell_run(w, reader, start, state="started", inputs=[{**item, **digest} | some_roles(w)])
    w.say("model_version.registered", {**w.version(loose=0), "run": reader}, made)


def an_output_named_and_unnamed(w: World) -> None:
    run, execution, item, (one, two) = w.few(RUNS), an_execution(w), w.dataset(), w.moments(2)
    named = {**item, "version": w.pick(VERSIONS)}
    if w.maybe():
        tell_run(w, run, one, execution, outputs=[item, named])
    else:
        tell_run(w, run, one, execution, outputs=[item])
        body = {**named, "run": run} | ({"execution": execution} if execution else {})
        w.say("dataset_version.observed", body, two)
    reader = w.pick(RUNS)
    tell_run(w, reader, max(one, two), state="started", inputs=[item])


def a_read_that_is_exact_too(w: World) -> None:
    run, item = w.few(RUNS), w.dataset()
    tell_run(w, run, w.moments(1)[0], inputs=[item, {**item, "version": w.pick(VERSIONS)}], state="started")


def a_dataset_version(w: World) -> None:
    body = {**w.dataset(), "version": w.pick(VERSIONS), "rows": w.random.randrange(9)}
    body |= {"run": w.pick(RUNS)} if w.maybe(0.4) else {}
    body |= {"digest": w.pick(DIGESTS)} if w.maybe(0.4) else {}
    body |= {"identity": w.pick(("hint", "content", "declared"))}
    body |= {"derived_from": [{**w.dataset(), "version": w.pick(VERSIONS)}]} if w.maybe(0.4) else {}
    w.say("dataset_version.observed", body)


def a_dataset(w: World) -> None:
    namespace, name = w.pick(DATASETS)
    other = {"same_as": [{"namespace": namespace, "name": name}]} if w.maybe() else {}
    schemas = tuple({"columns": [{"name": one}]} for one in ("id", "größe"))
    w.say("dataset.declared", {**w.dataset(), **w.pick((*schemas, {"column_count": 3000})), **other})


def a_context(w: World) -> None:
    commit = {"sha": w.pick(COMMITS)} | ({"repository": "https://git.example/a b"} if w.maybe() else {})
    body: Item = {"commit": commit, "job": {"namespace": "airflow", "name": "train daily"}}
    body |= {"parent": w.pick(RUNS), "runtime": {"digest": w.pick(DIGESTS), "os": "linux"}}
    body |= {"params": [["lr", w.pick(("0.1", "0.2"))], ["who", "anna"]], "tags": [["semver", "1"]]}
    body |= {"model_inputs": [w.version(w.pick((*MODELS, PROMPT)))], "name": "nightly"}
    tell_run(w, w.few(RUNS), w.moments(1)[0], **body)
    if w.maybe():
        about = {"repository": "https://git.example/a b", "sha": w.pick(COMMITS), "parents": [w.pick(COMMITS)]}
        author = {"issuer": "git", "subject": "anna@example", "name": "Anna"}
        w.say("commit.observed", {**about, "author": author, "message": w.pick(DIGESTS)})


def a_registration(w: World) -> None:
    item = w.version(w.few(MODELS) if w.maybe(0.9) else PROMPT, loose=0)
    body = {**item, "tags": [["semver", w.pick(("1", "2"))]]}
    body |= {"run": w.few(RUNS)} if w.maybe(0.7) else {}
    if w.maybe(0.4):
        body["derived_from"] = [w.version(PROMPT if item["model"] == PROMPT else w.few(MODELS), loose=0.5)]
    at = item["created_ms"] * 1000 if w.maybe() else w.pick(INSTANTS)
    if w.maybe(0.1):
        w.sight("model_version.registered", body, at, None)
    else:
        w.say("model_version.registered", body, at)


def a_stage(w: World) -> None:
    w.say("stage.transitioned", {**w.version(), "to": w.pick(STAGES), "ticket": "CHG 1"})


def a_sweep(w: World) -> None:
    kept, to, at = w.version(), w.pick(("Staging", "Production")), w.pick(INSTANTS)
    source = w.pick(SOURCES)
    event = w.pick((None, "e1", "e2"))
    others = [w.version(kept["model"]) for _ in range(w.random.randrange(1, 3))]
    for other in others:
        w.say("stage.transitioned", {**other, "to": to}, w.pick(INSTANTS))
    w.say("stage.transitioned", {**kept, "to": to, "archive_others": True}, at, source=source, event=event)
    if w.maybe():
        for other in others:
            w.say("stage.transitioned", {**other, "to": "Archived"}, at, source=source, event=event)


def an_alias(w: World) -> None:
    first, second = w.moments(2)
    item, alias = w.version(), w.few(ALIASES)
    w.say("alias.moved", {**item, "alias": alias}, first)
    if w.maybe():
        w.say("alias.removed", {"model": item["model"], "alias": alias}, second)


def a_deployment(w: World) -> None:
    environment, region = w.few(TARGETS)
    body = {**w.version(), "target": {"environment": environment, "region": region, "platform": "k8s"}}
    body |= {"traffic": w.pick(("0.1", "0.9", "1", "0"))} if w.maybe() else {}
    body |= w.pick(({}, {}, {"mode": "shadow"}, {"mode": "none"}))
    w.say("deployment.changed", body)


def a_rollout(w: World) -> None:
    """Promote a version, serve it, perhaps rename its model or try a canary beside it."""
    old, new = w.random.sample(MODELS, 2)
    item, (promoted, served, after) = w.version(old, loose=0), w.moments(3)
    environment, region = w.few(TARGETS)
    where = {"target": {"environment": environment, "region": region}}
    w.say("stage.transitioned", {**item, "to": "Production"}, promoted)
    w.say("deployment.changed", {**item, **where}, served)
    if w.maybe():
        carried = [{"version": item["version"], "created_ms": item["created_ms"]}]
        w.say("model.renamed", {"model": old, "to": new, "carried": carried}, after)
    else:
        w.say("deployment.changed", {**w.version(old), **where, "traffic": "0.1"}, after)


def a_validation(w: World) -> None:
    """Validate a version; the same validation may be stated again, of another version and with another outcome."""
    check = {"metric": "auc", "value": w.pick(("0.9", "0.7"))}
    check |= {"comparison": ">=", "threshold": "0.8", "passed": check["value"] == "0.9"} if w.maybe() else {}
    body: Item = {**w.version(w.pick((*MODELS, PROMPT))), "validation": w.pick(VALIDATIONS), "name": "holdout é"}
    body |= {"outcome": w.pick(("passed", "failed", "inconclusive")), "checks": [check]}
    body |= {"data": [{**w.dataset(), "version": w.pick(VERSIONS)}]} if w.maybe() else {}
    body |= {"run": w.few(RUNS)} if w.maybe() else {}
    body |= {"digest": w.pick(DIGESTS), "comment": "looks fine"} if w.maybe(0.3) else {}
    w.say("validation.recorded", body)


def _movement(w: World) -> tuple[str, Item]:
    environment, region = w.few(TARGETS)
    target = {"target": {"environment": environment, "region": region}}
    alias = w.few(ALIASES)
    bodies: dict[str, Item] = {
        "stage.transitioned": {**w.version(), "to": w.pick(STAGES)},
        "alias.moved": {**w.version(), "alias": alias},
        "alias.removed": {"model": w.few(MODELS), "alias": alias},
        "deployment.changed": {**w.version(), **target},
        "model_version.deleted": w.version(),
        "model.deleted": {"model": w.few(MODELS)},
    }
    word = str(w.pick(tuple(bodies)))
    return word, bodies[word]


def an_act_and_its_sighting(w: World) -> None:
    (word, body), (before, act, seen) = _movement(w), w.moments(3)
    w.say(word, body, act)
    w.sight(word, body, seen, w.pick((before, before, act, None)))


def a_sighting(w: World) -> None:
    (word, body), (before, seen) = _movement(w), w.moments(2)
    w.sight(word, body, seen, w.pick((before, None)))


def a_rename(w: World) -> None:
    old, new = w.random.sample(MODELS, 2)
    at, generation = w.pick(INSTANTS), w.random.randrange(GENERATIONS)
    numbers = w.random.sample(NUMBERS, w.random.randrange(3))
    carried = [{"version": number, "created_ms": created_ms(number, generation)} for number in numbers]
    w.say("model.renamed", {"model": old, "to": new, "carried": carried}, at)


def a_model(w: World) -> None:
    model, (one, two) = w.few(MODELS), w.moments(2)
    if w.maybe(0.6):
        w.say("model.deleted", {"model": model}, one)
    w.say("model.declared", {"model": model, "description": "scores"}, two)


def a_deleted_version(w: World) -> None:
    w.say("model_version.deleted", w.version(loose=0.3))


def a_tag(w: World) -> None:
    version = w.version(loose=0.6)
    registry, name = names.parse(version["model"]).parts
    item = names.model_version(registry, name, version["version"], version.get("created_ms"))
    node = w.pick((item, version["model"], names.run(w.few(RUNS))))
    w.say("tag.set", {"node": node, **w.pick(({"name": "validated", "value": "yes"}, {"name": "n", "hidden": "x"}))})
    if w.maybe():
        w.say("tag.removed", {"node": node, "name": w.pick(("validated", "n"))})


def some_people(w: World) -> None:
    one, other = ({name: p[name] for name in ("issuer", "subject")} for p in w.random.sample(PEOPLE, 2))
    w.say("person.declared", {"person": {**one, "name": "Anna", "email": "anna@example"}})
    w.say("identity.linked", {"person": one, "same_as": other})


def a_report(w: World) -> None:
    first, last = w.moments(2)
    covered = {
        "covered_from": times.format_time(first),
        "covered_to": times.format_time(last),
        "clock_offset_us": w.pick(OFFSETS),
    }
    w.say("collector.reported", covered, last, actor={"assurance": "system"})


def _withdrawals_of(w: World, sent: Sent) -> list[Item]:
    said = reference_bodies.READ[sent.event["type"]](record_of(sent))
    edges = [part for part in said if part[0] == "edge"]
    if not edges:
        return []
    _, start, kind, end, *_ = w.pick(tuple(edges))
    return [{"from": start, "to": end, "type": kind.name, "source": names.source(sent.kind, sent.instance)}]


def a_withdrawal(w: World) -> None:
    """Withdraw an edge of an earlier fact; without one, of a fact that comes after it."""
    asserting = ("run.observed", "model_version.registered", "logged_model.observed")
    earlier = [sent for sent in w.sent if sent.event["type"] in asserting]
    bodies = _withdrawals_of(w, w.pick(tuple(earlier))) if earlier and w.maybe(0.6) else []
    later = []
    if not bodies:
        a_registration(w)
        later = [w.sent.pop()]
        bodies = _withdrawals_of(w, later[0])
    for body in bodies:
        w.say("edge.withdrawn", body, source=HOUSE)
    w.sent += later


def a_repetition(w: World) -> None:
    """Send an earlier fact again: exactly, or as another source tells it."""
    if not w.sent:
        a_run(w)
    sent = w.pick(tuple(w.sent))
    if w.maybe() or (sent.kind, sent.instance) == HOUSE:
        w.sent.append(sent)
        return
    moment = {"occurred_at": times.format_time(w.pick(INSTANTS))} if w.maybe() else {}
    w.tell({**sent.event, **moment}, w.pick(SOURCES))


STEPS: Final[dict[str, Step]] = {
    step.__name__: step
    for step in (
        a_stage,
        a_run,
        a_chain,
        a_registration,
        an_output_named_and_unnamed,
        a_read_that_is_exact_too,
        a_stated_origin,
        some_columns,
        a_measure,
        a_lifecycle,
        a_job,
        a_failure_then_a_completion,
        a_rerun,
        a_dataset_version,
        a_dataset,
        a_context,
        a_sweep,
        an_alias,
        a_deployment,
        a_rollout,
        a_validation,
        a_sighting,
        an_act_and_its_sighting,
        a_rename,
        a_model,
        a_deleted_version,
        a_tag,
        some_people,
        a_report,
        a_withdrawal,
        a_repetition,
        *MODEL_STEPS,
    )
}

_steps = st.tuples(st.sampled_from(tuple(STEPS.values())), st.integers(0, SALTS - 1))


@st.composite
def histories(draw: st.DrawFn) -> list[Sent]:
    """Draw a history: its steps, whether the world is narrow, and the order in which the facts arrive."""
    narrow, steps = draw(st.booleans()), draw(st.lists(_steps, min_size=20, max_size=100))
    arrival = draw(st.sampled_from(ARRIVALS))
    salt = draw(st.integers(0, SALTS - 1)) if arrival == "shuffled" else 0
    return Plan(steps, narrow, arrival, salt, MOST).history()


def cuts(count: int) -> st.SearchStrategy[tuple[int, int]]:
    """Draw a cut (as_of, known_at) of a history of ``count`` records."""
    as_of = st.one_of(st.just(END), st.sampled_from(INSTANTS))
    known_at = st.one_of(st.just(count - 1), st.integers(0, count - 1))
    return st.tuples(as_of, known_at)
