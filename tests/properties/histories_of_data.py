"""Steps of histories about data: what outputs were made of, columns, measures, changes; and how runs are told."""

from typing import Any

from tests.properties.world import DATASETS, DIGESTS, EXECUTIONS, RUNS, VERSIONS, World

Item = dict[str, Any]


def an_input(w: World, version: float = 0.5) -> Item:
    item = w.dataset()
    if w.maybe(version):
        item["version"] = w.pick(VERSIONS)
        item |= w.pick(({}, {}, {"identity": "hint"}, {"identity": "content"}))
    if w.maybe(0.3):
        item["digest"] = w.pick(DIGESTS)
    if w.maybe(0.2):
        item["how"] = "declared"
    return item


def some_roles(w: World) -> Item:
    return {"roles": w.pick((["training"], ["validation", "test"], ["scoring"]))} if w.maybe(0.4) else {}


def tell_run(w: World, run: str, at: int, execution: str | None = None, **body: Any) -> None:
    named = {"execution": execution} if execution else {}
    w.say("run.observed", {"run": run, **named, **body}, at)


def an_execution(w: World) -> str | None:
    return str(w.pick(EXECUTIONS)) if w.maybe() else None


def a_stated_origin(w: World) -> None:
    """A run of several inputs and outputs, of some of which it is said what they were made of."""
    run, execution, (start, end, later) = w.few(RUNS), an_execution(w), w.moments(3)
    named = [{"namespace": namespace, "name": name} for namespace, name in DATASETS]
    read = [{**item, **w.pick(({}, {}, {"version": w.pick(VERSIONS)}))} for item in named if w.maybe(0.7)]
    tell_run(w, run, start, execution, state="started", inputs=read)
    output: Item = named[0]
    for at in (end, later)[: w.random.randrange(1, 3)]:
        origin = w.random.sample(named, w.random.randrange(3))
        output = w.pick(tuple(named)) | w.pick(({}, {"version": w.pick(VERSIONS)}))
        stated = {**output, "made_of": origin} if w.maybe(0.8) else output
        tell_run(w, run, at, execution, state=w.pick(("running", "complete")), outputs=[stated, an_input(w)])
    if w.maybe(0.4):
        reader = w.pick(RUNS)
        tell_run(w, reader, later, inputs=[output], outputs=[w.pick(tuple(named)) | {"made_of": [_name_of(output)]}])


def _name_of(item: Item) -> Item:
    return {"namespace": item["namespace"], "name": item["name"]}


def some_columns(w: World) -> None:
    ways = ({"type": "DIRECT", "subtype": "IDENTITY"}, {"type": "INDIRECT", "subtype": "JOIN"}, {"type": "odd"})
    fields = ("id", "größe", "a b")
    inputs = [
        {**w.dataset(), "field": w.pick(fields), "transformations": w.random.sample(ways, w.random.randrange(3))}
        for _ in range(w.random.randrange(1, 3))
    ]
    w.say("columns.derived", {**w.dataset(), "derived": [{"columns": [w.pick(fields)], "inputs": inputs}]})


def a_measure(w: World) -> None:
    body: Item = {**w.dataset(), "rows": w.random.randrange(9)}
    body |= w.pick(({}, {"version": w.pick(VERSIONS)}))
    body |= w.pick(({}, {"run": w.few(RUNS), "side": w.pick(("written", "read"))}))
    body |= {"execution": w.pick(EXECUTIONS)} if w.maybe(0.3) else {}
    body |= {"columns": [{"column": "id", "nulls": w.random.randrange(9)}]} if w.maybe() else {}
    body |= {"checks": [{"check": "not_null", "column": "id", "held": w.maybe()}]} if w.maybe() else {}
    w.say("dataset.measured", body)


def a_lifecycle(w: World) -> None:
    namespace, name = w.pick(DATASETS)
    change = w.pick(("create", "rename", "drop"))
    was = {"previous": {"namespace": namespace, "name": name}} if change == "rename" or w.maybe(0.2) else {}
    w.say("dataset.changed", {**w.dataset(), "change": change, **was, **w.pick(({}, {"run": w.few(RUNS)}))})


def a_job(w: World) -> None:
    job = {"namespace": "airflow", "name": "train daily"}
    owners = [["team:shop", "MAINTAINER"], ["anna", "OWNER"]]
    w.say("job.declared", {**job, "kind": w.pick(("DAG", "TASK")), "owners": owners, "description": "each night"})
    above = {"parent": w.pick(RUNS), "parent_job": job, "root": w.pick(RUNS), "root_job": job}
    tell_run(w, w.few(RUNS), w.moments(1)[0], **above)
