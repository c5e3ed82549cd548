"""What the facets of an event say, as parts of facts. A facet nobody knows here is left to the raw event.

Versions of a facet differ in what they add; only what all versions of a facet have is read, so ``_schemaURL`` is not.
Facets of the specification are held to it. Those of Airflow's provider are not part of it, and a shape that is not
understood there says nothing instead of refusing the run.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from collectors.openlineage.document import LONG, PRIVATE, SHORT, OpenLineageError, Part, sound_text
from graph_schema import names
from graph_schema.repository_names import repository_url

MAX_ERROR: Final = 16_000
MAX_TAGS: Final = 1000

CHANGES: Final = ("create", "alter", "drop", "rename", "truncate", "overwrite")

_ERROR_TEXTS: Final = ("message", "stackTrace")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", re.ASCII)
_SHA = re.compile(r"[0-9a-f]{7,64}", re.ASCII)


def run_id(run: Part) -> str:
    """Return the id of a run, a UUID as the specification has it, in lower case."""
    found = run.needed_text("runId", SHORT)
    if not _UUID.fullmatch(found):
        raise OpenLineageError(run.at("runId"), "must be a UUID such as 01a205c4-e451-72a1-ac58-f25e0d10d16a")
    return found.lower()


def parent(run: Part) -> str | None:
    """Return the id of the run that started this one; old clients call the facet ``parentRun``.

    It need not be a UUID: schedulers of the past put their own run names there.
    """
    facet = run.facet("parent") or run.facet("parentRun")
    if facet is None:
        return None
    return _run_above(facet.needed("run"))


def _run_above(run: Part) -> str:
    found = run.needed_text("runId", SHORT)
    return found.lower() if _UUID.fullmatch(found) else found


def above(run: Part) -> dict[str, Any]:
    """Return what is known of the runs above this one: the parent, the root, and of which jobs they are."""
    facet = run.facet("parent") or run.facet("parentRun")
    root = facet.child("root") if facet else None
    top = root.child("run") if root else None
    return {
        "parent": parent(run),
        "parent_job": _job_of(facet),
        "root": _run_above(top) if top else None,
        "root_job": _job_of(root) if top else None,
    }


def _job_of(part: Part | None) -> dict[str, str] | None:
    """Return the job beside a run above; some producers leave it out or name only half of it."""
    job = part.child("job") if part else None
    found = {key: job.text(key, LONG) for key in ("namespace", "name")} if job else {}
    return {key: text for key, text in found.items() if text} if found and all(found.values()) else None


def execution(run: Part) -> str | None:
    """Return Airflow's name of the DAG run, which tells the executions of one run id apart.

    The provider derives run ids from DAG, logical date and try: a second execution for the same date repeats them all.
    Tasks carry the facet ``airflow``, DAG runs ``airflowDagRun``; both hold ``dagRun.run_id``.
    """
    facets = run.child("facets")
    for name in ("airflow", "airflowDagRun"):
        found: object = facets.value.get(name) if facets else None
        for key in ("dagRun", "run_id"):
            found = found.get(key) if isinstance(found, Mapping) else None
        if isinstance(found, str) and found and facets:
            return sound_text(f"{facets.at(name)}.dagRun.run_id", found, SHORT)
    return None


def error(run: Part) -> str | None:
    """Return message and stack trace of a failure, cut to what a sealed value holds, with a mark that says so.

    Spark's listener has a facet of its own for it, ``spark.exception``; of another shape, that one says nothing.
    """
    facet = run.facet("errorMessage")
    if facet is not None:
        texts = [text for key in _ERROR_TEXTS if (text := facet.text(key, 2**31)) is not None]
    else:
        facets = run.child("facets")
        found = facets.value.get("spark.exception") if facets else None
        said = [found.get(key) for key in _ERROR_TEXTS] if isinstance(found, Mapping) else []
        texts = [sound_text("run.facets.spark.exception", text, 2**31) for text in said if isinstance(text, str)]
    return cut("\n".join(texts), MAX_ERROR) if any(texts) else None


def cut(text: str, limit: int) -> str:
    """Return free text of at most ``limit`` characters; one that was cut says so and how long it was."""
    if len(text) <= limit:
        return text
    mark = f"\n[cut here: {len(text)} characters in the event as received]"
    return text[: limit - len(mark)] + mark


def tags(part: Part) -> list[list[str]]:
    """Return the tags of a run or a dataset as pairs, those of single columns left out."""
    facet = part.facet("tags")
    if facet is None:
        return []
    pairs = [list(_tag(tag)) for tag in facet.children("tags") if tag.value.get("field") is None]
    if len(pairs) > MAX_TAGS:
        raise OpenLineageError(facet.at("tags"), f"has {len(pairs)} tags; at most {MAX_TAGS} can be recorded")
    return pairs


def _tag(tag: Part) -> tuple[str, str]:
    value = tag.value.get("value")
    if value is None:
        raise OpenLineageError(tag.at("value"), "is required")
    return tag.needed_text("key", PRIVATE), sound_text(tag.at("value"), value, PRIVATE)


def commit(job: Part) -> dict[str, Any] | None:
    """Return the commit a job was built from, if its source code location is one of git with a commit hash."""
    facet = job.facet("sourceCodeLocation")
    if facet is None or facet.value.get("type") != "git":
        return None
    sha = (facet.text("version", SHORT) or "").lower()
    if not _SHA.fullmatch(sha):
        return None
    found = {"sha": sha}
    if (url := facet.text("repoUrl", LONG)) and (repository := repository_url(url)):
        found["repository"] = repository
    if branch := facet.text("branch", SHORT):
        found["branch"] = branch
    return found


def job(part: Part) -> dict[str, Any]:
    """Return what the facets of a job say of it, without what they do not say."""
    kind, text = part.facet("jobType"), part.facet("documentation")
    described = text.text("description", 2**31) if text else None
    said = {
        "description": cut(described, MAX_ERROR) if described else None,
        "integration": kind.text("integration", SHORT) if kind else None,
        "kind": kind.text("jobType", SHORT) if kind else None,
        "processing": kind.text("processingType", SHORT) if kind else None,
        "location": _location(part),
        "owners": owners(part),
        "tags": tags(part),
    }
    return {key: value for key, value in said.items() if value}


def _location(job: Part) -> dict[str, str]:
    """Return where the code of a job lies; an address that is no repository's is left out, it may hold credentials."""
    facet = job.facet("sourceCodeLocation")
    if facet is None:
        return {}
    url = facet.text("repoUrl", LONG)
    found = {"repository": repository_url(url) if url else None, "path": facet.text("path", LONG)}
    found |= {key: facet.text(key, SHORT) for key in ("branch", "tag", "version")}
    return {key: value for key, value in found.items() if value}


def owners(part: Part) -> list[list[str]]:
    """Return who owns a job or a dataset: pairs of a name and the kind of ownership, which may be empty."""
    facet = part.facet("ownership")
    if facet is None:
        return []
    pairs = [[one.needed_text("name", PRIVATE), one.text("type", SHORT) or ""] for one in facet.children("owners")]
    if len(pairs) > MAX_TAGS:
        raise OpenLineageError(facet.at("owners"), f"has {len(pairs)} owners; at most {MAX_TAGS} can be recorded")
    return pairs


def change(dataset: Part) -> dict[str, Any]:
    """Return what happened to a dataset as a whole; a word nobody knows here says nothing."""
    facet = dataset.facet("lifecycleStateChange")
    word = (facet.text("lifecycleStateChange", SHORT) or "").lower() if facet else ""
    if facet is None or word not in CHANGES:
        return {}
    previous = facet.child("previousIdentifier")
    if previous is None:
        return {"change": word}
    namespace, name = dataset_name(previous)
    return {"change": word, "previous": {"namespace": namespace, "name": name}}


def dataset_name(dataset: Part) -> tuple[str, str]:
    """Return namespace and name of a dataset (or of one of its symlinks), in the one spelling of the language."""
    namespace, name = names.dataset_name(dataset.needed_text("namespace", LONG), dataset.needed_text("name", LONG))
    # The one spelling of a scheme may be longer by a letter: wasb is wasbs.
    return sound_text(dataset.at("namespace"), namespace, LONG), sound_text(dataset.at("name"), name, LONG)


def version(dataset: Part) -> str | None:
    """Return the version of a dataset as its producer declares it."""
    facet = dataset.facet("version")
    return facet.text("datasetVersion", SHORT) if facet else None


def kind(dataset: Part) -> str | None:
    """Return what a dataset is to its producer (TABLE, VIEW, MODEL, ...); a model here stays a dataset."""
    facet = dataset.facet("datasetType")
    return facet.text("datasetType", SHORT) if facet else None


def description(dataset: Part) -> str | None:
    """Return the documentation of a dataset, cut as an error is."""
    facet = dataset.facet("documentation")
    found = facet.text("description", 2**31) if facet else None
    return cut(found, MAX_ERROR) if found else None


def symlinks(dataset: Part) -> list[dict[str, str]]:
    """Return the other names of a dataset, such as the table behind a path."""
    facet = dataset.facet("symlinks")
    own = dataset_name(dataset)
    found = dict.fromkeys(dataset_name(item) for item in facet.children("identifiers")) if facet else {}
    return [{"namespace": namespace, "name": name} for namespace, name in found if (namespace, name) != own]


def columns(dataset: Part) -> list[dict[str, str]]:
    """Return the columns of a dataset; a field inside a field is named by its path, ``outer.inner``."""
    facet = dataset.facet("schema")
    return [] if facet is None else list(_fields(facet))


def _fields(facet: Part) -> Iterator[dict[str, str]]:
    """Walk the fields in their order, without recursion: the depth is the sender's choice."""
    waiting = [("", facet.children("fields"))]
    while waiting:
        prefix, fields = waiting[-1]
        field = next(fields, None)
        if field is None:
            waiting.pop()
            continue
        name = sound_text(field.at("name"), prefix + field.needed_text("name", SHORT), SHORT)
        column = {"name": name}
        if spelled := field.text("type", 2**31):
            column["type"] = cut(spelled, SHORT)
        yield column
        waiting.append((f"{name}.", field.children("fields")))
