"""An MLflow server to read, in this process: rows as the real one gave them (see the recording), pages by offset.

It stands in for a program that is not ours and takes half a minute to start. That it answers as the real one does is
held by test_existing.py, which reads the recording through it, and by tests/journeys/test_collect_mlflow.py.
"""

import base64
import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from collectors.mlflow.connection import Access, Server

RECORDING = json.loads((Path(__file__).parent / "recordings" / "server-3.17.2-existing.json").read_text("utf-8"))
PROMPT = {"key": "mlflow.prompt.is_prompt", "value": "true"}
T0 = 1_790_000_000_000
"""Milliseconds at which the story of every test begins."""


def answered(name: str, part: str) -> Any:
    """Return part of a recorded answer."""
    return copy.deepcopy(RECORDING[name]["answer"][part])  # a test may change what it is given


def _refused(status: int, code: str) -> httpx.Response:
    return httpx.Response(status, json={"error_code": code, "message": "refused"})


@dataclass
class StandIn:
    """What a server holds. ``before`` is called with each request, and may change things or answer by itself."""

    models: list[dict[str, Any]] = field(default_factory=list)
    versions: list[dict[str, Any]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    logged_models: list[dict[str, Any]] = field(default_factory=list)
    before: Callable[[str], httpx.Response | None] = lambda _path: None
    asked: list[str] = field(default_factory=list)
    release: str = "3.17.2"
    now: int = T0

    @classmethod
    def recorded(cls) -> "StandIn":
        """Give the server that was recorded."""
        return cls(
            models=[*answered("models", "registered_models"), *answered("prompts", "registered_models")],
            versions=[*answered("versions", "model_versions"), *answered("prompt versions", "model_versions")],
            runs=answered("runs", "runs"),
            logged_models=answered("logged models", "models"),
        )

    def server(self) -> Server:
        """Give a connection to it that waits for nothing."""
        transport = httpx.MockTransport(self.answer)
        return Server(Access("http://mlflow.test"), transport=transport, sleep=lambda _seconds: None)

    # ------------------------------------------------------------------------------------------ what happens to it

    def tick(self) -> int:
        """Let a second pass; return the time in milliseconds."""
        self.now += 1000
        return self.now

    def make(self, name: str, versions: int = 0, *, prompt: bool = False) -> None:
        """Register a model with some versions."""
        at = self.tick()
        row = {"name": name, "creation_timestamp": at, "last_updated_timestamp": at}
        self.models.append({**row, "tags": [PROMPT] if prompt else []})
        for number in range(versions):
            at = self.tick()
            shown = {"name": name, "version": str(number + 1), "creation_timestamp": at, "last_updated_timestamp": at}
            more = {"current_stage": "None", "source": f"s3://models/{name}/{number + 1}", "status": "READY"}
            self.versions.append({**shown, **more, "tags": [PROMPT] if prompt else []})

    def model(self, name: str) -> dict[str, Any]:
        return next(row for row in self.models if row["name"] == name)

    def version(self, name: str, version: str) -> dict[str, Any]:
        return next(row for row in self.versions if (row["name"], row["version"]) == (name, version))

    def move(self, name: str, version: str, stage: str) -> None:
        self.version(name, version).update(current_stage=stage, last_updated_timestamp=self.tick())

    def alias(self, name: str, alias: str, version: str | None) -> None:
        """Set an alias, or remove it; MLflow moves no time for that."""
        others = [one for one in self.model(name).get("aliases", ()) if one["alias"] != alias]
        self.model(name)["aliases"] = [*others, *([{"alias": alias, "version": version}] if version else [])]

    def delete(self, name: str, version: str | None = None) -> None:
        self.versions = [r for r in self.versions if r["name"] != name or version not in (None, r["version"])]
        if version is None:
            self.models = [row for row in self.models if row["name"] != name]

    def rename(self, name: str, new: str) -> None:
        at = self.tick()
        for row in [self.model(name), *(one for one in self.versions if one["name"] == name)]:
            row.update(name=new, last_updated_timestamp=at)

    # ------------------------------------------------------------------------------------------------ its answers

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer one request as MLflow does."""
        if request.url.path == "/version":
            return httpx.Response(200, text=self.release)
        path = request.url.path.partition("/mlflow/")[2]
        self.asked.append(path)
        said = self.before(path)
        if said is not None:
            return said
        asked = json.loads(request.content) if request.content else dict(request.url.params)
        if path == "experiments/search":
            return httpx.Response(200, json={"experiments": answered("experiments", "experiments")})
        if path.endswith("/search"):
            part, rows = self._listed(path, str(asked.get("filter") or ""))
            if "order_by" in asked and path == "model-versions/search":
                rows = sorted(rows, key=lambda row: -int(row["last_updated_timestamp"]))
            return self._page(part, rows, asked)
        return self._one(path, asked)

    def _listed(self, path: str, wanted: str) -> tuple[str, list[dict[str, Any]]]:
        prompts = {row["name"] for row in self.models if PROMPT in (row.get("tags") or ())}
        if path == "registered-models/search":
            rows = [row for row in self.models if (row["name"] in prompts) == ("is_prompt" in wanted)]
            return "registered_models", sorted(rows, key=lambda row: str(row["name"]))
        if path == "model-versions/search":
            return "model_versions", [v for v in self.versions if (v["name"] in prompts) == ("is_prompt" in wanted)]
        return ("runs", self.runs) if path == "runs/search" else ("models", self.logged_models)

    @staticmethod
    def _page(part: str, rows: list[dict[str, Any]], asked: dict[str, Any]) -> httpx.Response:
        start, most = 0, int(asked["max_results"])
        if token := asked.get("page_token"):
            start = json.loads(base64.b64decode(token))["offset"]
        answer: dict[str, Any] = {part: rows[start : start + most]} if rows else {}
        if start + most < len(rows):
            answer["next_page_token"] = base64.b64encode(json.dumps({"offset": start + most}).encode()).decode()
        return httpx.Response(200, json=answer)

    def _one(self, path: str, asked: dict[str, Any]) -> httpx.Response:
        def reply(part: str, found: list[dict[str, Any]]) -> httpx.Response:
            return httpx.Response(200, json={part: found[0]}) if found else _refused(404, "RESOURCE_DOES_NOT_EXIST")

        if path == "registered-models/get":
            return reply("registered_model", [row for row in self.models if row["name"] == asked["name"]])
        if path == "model-versions/get":
            named = (asked["name"], asked["version"])
            return reply("model_version", [row for row in self.versions if (row["name"], row["version"]) == named])
        if path == "runs/get":
            return reply("run", [row for row in self.runs if row["info"]["run_id"] == asked["run_id"]])
        wanted = path.partition("/")[2]
        return reply("model", [row for row in self.logged_models if row["info"]["model_id"] == wanted])
