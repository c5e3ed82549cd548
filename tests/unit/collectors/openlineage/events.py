"""OpenLineage events for tests: a valid one of each kind from a few words, and the recordings of real clients."""

import json
from pathlib import Path
from typing import Any

from collectors.openlineage import translate
from graph_schema.events import parse_event

RUN = "01a205c4-e451-72a1-ac58-f25e0d10d16a"
AT = "2026-11-23T00:18:39.314220Z"
ACTOR = {"issuer": "lineage", "subject": "token:spark-prod", "kind": "service_account", "assurance": "authenticated"}
SPEC = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/"

Json = dict[str, Any]


def recording(name: str) -> list[Json]:
    """Give the requests of a recording in the order in which a client sent them."""
    path = Path(__file__).parent / "recordings" / name
    requests: list[Json] = json.loads(path.read_text(encoding="utf-8"))
    return requests


def run_event(kind: str | None = "COMPLETE", **members: Any) -> Json:
    """Make a run event; ``facets`` and ``job_facets`` go where they belong, other members to the top."""
    facets, job_facets = members.pop("facets", {}), members.pop("job_facets", {})
    event: Json = {
        "eventType": kind,
        "eventTime": AT,
        "producer": "https://example.com/etl",
        "schemaURL": f"{SPEC}RunEvent",
        "run": {"runId": RUN, "facets": facets},
        "job": {"namespace": "etl", "name": "nightly", "facets": job_facets},
        "inputs": [],
        "outputs": [],
    }
    return event | members


def dataset(name: str = "a", namespace: str = "s3://lake", **facets: Any) -> Json:
    """Make a dataset with facets; ``output`` holds those of an output."""
    output = facets.pop("output", {})
    return {"namespace": namespace, "name": name, "facets": facets, "outputFacets": output}


def facts(event: Any) -> list[Json]:
    """Translate an event and make sure that the language accepts every fact."""
    made = translate(event, received_actor=ACTOR)
    for fact in made:
        parse_event(fact)
    return made


def bodies(event: Any, kind: str) -> list[Json]:
    """Give the bodies of the facts of one kind."""
    return [fact["body"] for fact in facts(event) if fact["type"] == kind]


def run_body(event: Any) -> Json:
    """Give the body of the one fact about the run."""
    (body,) = bodies(event, "run.observed")
    return body
