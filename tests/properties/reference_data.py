"""What facts about data say, and runs about their inputs and outputs: read independently of ``graph_schema.fold``."""

from collections.abc import Iterator

from graph_schema import names
from graph_schema.kinds import Edge, How, Role
from tests.properties.reference_said import Body, Said, columns, edge, how_of, picked, roles_of, tags


def _dataset(item: Body) -> str:
    return names.dataset(item["namespace"], item["name"])


def dataset_version(item: Body) -> str:
    return names.dataset_version(item["namespace"], item["name"], item["version"])


def describe_dataset_version(item: Body, identity: str) -> Iterator[Said]:
    if identity != "declared":
        yield "row", dataset_version(item), {f"identity:{identity}": True}
    if "digest" in item:
        algorithm, value = item["digest"].split(":", 1)
        yield "row", dataset_version(item), {f"digest:{algorithm}": value}
    yield edge(dataset_version(item), Edge.VERSION_OF, _dataset(item))


def read_input(item: Body, run: str) -> Iterator[Said]:
    if "version" in item:
        yield from describe_dataset_version(item, item.get("identity", "declared"))
        yield edge(run, Edge.USED, dataset_version(item), how_of(item), roles_of(item))
        if item.get("identity") == "hint":
            yield edge(run, Edge.READ, _dataset(item), how_of(item), roles_of(item))
        return
    yield edge(run, Edge.READ, _dataset(item), how_of(item), roles_of(item))
    if "digest" in item:
        yield "row", run, {f"read_digest:{_dataset(item)}": item["digest"]}


def by_run(run: str, execution: str) -> str:
    """Return the version text of an output that only its run names."""
    identifier = names.parse(run).parts[0]
    own = "run-" + identifier.replace("%", "%25").replace("/", "%2F")
    return f"{own}/{execution}" if execution else own


def output(item: Body, run: str, execution: str) -> Iterator[Said]:
    named = dict(item) if "version" in item else {**item, "version": by_run(run, execution)}
    yield from describe_dataset_version(named, item.get("identity", "declared") if "version" in item else "by_run")
    if item.get("made_of") is None:
        yield edge(dataset_version(named), Edge.PRODUCED_BY, run, how_of(item))
    else:
        yield edge(dataset_version(named), Edge.PRODUCED_BY, run, how_of(item), Role.STATED)
        for other in item["made_of"]:
            yield edge(dataset_version(named), Edge.DERIVED_FROM, _dataset(other), how_of(item))
    yield _written(named, run, execution)


def _written(item: Body, run: str | None, execution: str) -> Said:
    by = {"run": run, "execution": execution} if run else {}
    return "point", _dataset(item), "written", {"version": dataset_version(item), **by, **picked(item, "digest")}


def declared_dataset(record: Body) -> Iterator[Said]:
    body = record["body"]
    about = picked(body, "kind", "description", "owners", "owners_sealed")
    yield "row", _dataset(body), columns(body) | about | tags(body)
    for other in body.get("same_as", []):
        yield edge(_dataset(body), Edge.SAME_AS, _dataset(other), How.DECLARED)


def observed_dataset_version(record: Body) -> Iterator[Said]:
    body = record["body"]
    run = names.run(body["run"]) if "run" in body else None
    yield from describe_dataset_version(body, body.get("identity", "declared"))
    yield "row", dataset_version(body), columns(body) | picked(body, "rows", "bytes")
    yield _written(body, run, body.get("execution", ""))
    if run:
        yield edge(dataset_version(body), Edge.PRODUCED_BY, run)
    for other in body.get("derived_from", []):
        yield from describe_dataset_version(other, "declared")
        yield edge(dataset_version(body), Edge.DERIVED_FROM, dataset_version(other))


def changed_dataset(record: Body) -> Iterator[Said]:
    body = record["body"]
    by = {"run": names.run(body["run"]), "execution": body.get("execution", "")} if "run" in body else {}
    was = {"was": _dataset(body["previous"])} if "previous" in body else {}
    if was:
        yield "mention", was["was"]
    yield "point", _dataset(body), "lifecycle", {"is": body["change"], **by, **was}
    if was and body["change"] == "rename":
        yield edge(_dataset(body), Edge.SAME_AS, was["was"], How.DECLARED)


def measured(record: Body) -> Iterator[Said]:
    body = record["body"]
    found = picked(body, "rows", "bytes", "files")
    for one in body.get("columns", []):
        found[f"column:{one['column']}"] = {word: one[word] for word in ("count", "nulls", "distinct") if word in one}
    for one in body.get("checks", []):
        found[f"check:{one.get('column', '')}:{one['check']}"] = picked(one, "held", "severity")
    yield "mention", _dataset(body)
    if "version" in body:
        yield from describe_dataset_version(body, "declared")
        yield "row", dataset_version(body), found
    elif "run" not in body:
        yield "row", _dataset(body), found
    elif body["side"] == "written":
        named = {**body, "version": by_run(names.run(body["run"]), body.get("execution", ""))}
        yield from describe_dataset_version(named, "by_run")
        yield "row", dataset_version(named), found
    else:
        yield "row", names.run(body["run"]), {f"read:{_dataset(body)}:{name}": said for name, said in found.items()}


def _field(dataset: Body, field: str) -> str:
    return names.column(dataset["namespace"], dataset["name"], field)


def derived_columns(record: Body) -> Iterator[Said]:
    body = record["body"]
    pairs = [
        (column, item) for group in body["derived"] for column in group["columns"] for item in group["inputs"]
    ]
    for column, item in pairs:
        key, source = _field(body, column), _field(item, item["field"])
        yield edge(key, Edge.PART_OF, _dataset(body))
        yield edge(source, Edge.PART_OF, _dataset(item))
        said = item.get("transformations", [])
        words = [one["type"].lower() if one["type"].lower() in ("direct", "indirect") else "unknown" for one in said]
        roles = sum({int(Role[word.upper()]) for word in words}) or int(Role.UNKNOWN)
        yield edge(key, Edge.COLUMN_FROM, source, roles=roles)
        for way in set(words):
            yield "row", key, {f"{way}:{source}": [one for one, word in zip(said, words, strict=True) if word == way]}
