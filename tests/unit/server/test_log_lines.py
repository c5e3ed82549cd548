"""What `serve` writes on stderr: one line an event, in one of two forms, with nothing that names or opens anything."""

import io
import json
import logging
import logging.config
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from lineage_service.server.log_lines import REQUEST, JsonLines, TextLines, form_for, logging_in
from tests.service import Service, bearer, stage


@pytest.fixture
def restored() -> Iterator[None]:
    """Put back the loggers that a configuration changes, so that other tests hear what they listen for."""
    names = ("", "lineage", "uvicorn", "uvicorn.access")
    kept = [(logging.getLogger(name), list(logging.getLogger(name).handlers)) for name in names]
    levels = [(logger, logger.level, logger.propagate) for logger, _ in kept]
    yield
    logging.captureWarnings(capture=False)
    for logger, handlers in kept:
        logger.handlers[:] = handlers
    for logger, level, propagate in levels:
        logger.setLevel(level)
        logger.propagate = propagate


def record(message: str, *arguments: object, **more: Any) -> logging.LogRecord:
    made = logging.LogRecord("lineage.test", logging.WARNING, "file", 1, message, arguments, more.pop("exc_info", None))
    made.__dict__.update(more)
    return made


def failing() -> Any:
    secret = "the secret of somebody"
    try:
        int(secret)
    except ValueError:
        return sys.exc_info()


def test_a_json_line_is_one_object_whatever_stands_in_it() -> None:
    line = JsonLines().format(record('two\nlines "and" %s', "\x1b[31m", status=200, ms=1.5, secret="x"))
    assert "\n" not in line
    told = json.loads(line)
    assert set(told) == {"time", "level", "logger", "message", "status", "ms"}
    assert told["message"] == 'two\nlines "and" \x1b[31m'
    assert (told["level"], told["logger"], told["status"]) == ("WARNING", "lineage.test", 200)
    assert told["time"].endswith("Z")


@pytest.mark.parametrize("form", [JsonLines(), TextLines()])
def test_of_an_error_the_places_are_told_and_never_its_text(form: logging.Formatter) -> None:
    line = form.format(record("it failed", exc_info=failing()))
    assert "ValueError" in line
    assert "in failing" in line
    assert "the secret" not in line


def test_a_line_of_text_begins_with_its_time_and_what_follows_is_indented() -> None:
    first, second = TextLines().format(record("one\ntwo", route="/healthz")).split("\n")
    assert first.endswith("WARNING lineage.test: one route=/healthz")
    assert second == "    two"


@pytest.mark.parametrize("form", [JsonLines(), TextLines()])
def test_a_line_within_a_request_carries_its_id(form: logging.Formatter) -> None:
    token = REQUEST.set("abc")
    try:
        assert "abc" in form.format(record("something"))
    finally:
        REQUEST.reset(token)
    assert "abc" not in form.format(record("something"))


def test_a_terminal_gets_text_and_everything_else_json_unless_told_otherwise() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert [form_for(None, Terminal()), form_for(None, io.StringIO())] == ["text", "json"]
    assert [form_for("json", Terminal()), form_for("text", io.StringIO())] == ["json", "text"]


def test_whatever_the_process_says_has_the_one_form(restored: None, capsys: pytest.CaptureFixture[str]) -> None:
    logging.config.dictConfig(logging_in("json"))
    logging.captureWarnings(capture=True)
    logging.getLogger("lineage.server").info("ours")
    logging.getLogger("uvicorn.error").warning("of the HTTP server")
    logging.getLogger("uvicorn.access").info("GET /api/v1/node?node=joanna")
    logging.getLogger("asyncio").error("of a library")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("of Python", stacklevel=1)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["logger"] for line in lines] == ["lineage.server", "uvicorn.error", "asyncio", "py.warnings"]


class Heard:
    """What our loggers said, as the lines that would have been written."""

    def __init__(self, stream: io.StringIO) -> None:
        self.stream = stream

    def lines(self, logger: str) -> list[dict[str, Any]]:
        told = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        return [one for one in told if one["logger"] == logger]


@pytest.fixture
def heard() -> Iterator[Heard]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("lineage")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield Heard(stream)
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_a_request_is_told_by_its_route_and_the_kind_of_caller(service: Service, heard: Heard) -> None:
    source, person = service.source_token("mlflow"), service.person_token("joanna.doe", "reader")
    service.send(stage(), token=source)
    service.client.get("/api/v1/node?node=model:prod::joanna", headers={**bearer(person), "X-Request-Id": "mine.1"})
    service.client.get("/api/v1/records/joanna?token=joanna")
    service.client.get("/joanna")
    service.client.request("JOANNA", "/healthz")
    service.client.get("/healthz")
    service.client.get("/readyz")
    told = heard.lines("lineage.request")[2:]  # behind the source and the token
    assert [(one["method"], one["route"], one["status"], one["principal"]) for one in told] == [
        ("POST", "/api/v1/events", 201, "source"),
        ("GET", "/api/v1/node", 404, "person"),
        ("GET", "/api/v1/records/{which}", 401, "nobody"),
        ("GET", "unknown", 404, "nobody"),
    ]
    assert told[1]["request_id"] == "mine.1"
    assert all(one["ms"] >= 0 for one in told)
    written = heard.stream.getvalue()
    assert not [word for word in ("joanna", "JOANNA", source, person, "deployer1") if word in written]


def test_an_error_nobody_foresaw_is_told_under_the_id_that_was_answered(service: Service, heard: Heard) -> None:
    def boom() -> None:
        raise ZeroDivisionError("of somebody")

    service.app.add_api_route("/boom", boom)
    identifier = service.client.get("/boom").headers["X-Request-Id"]
    (line,) = heard.lines("lineage.request")
    (error,) = heard.lines("lineage.server")
    assert (line["route"], line["status"], line["request_id"]) == ("/boom", 500, identifier)
    assert error["message"].startswith("unexpected ZeroDivisionError\n")
    assert error["request_id"] == identifier


def test_a_probe_is_told_only_when_it_fails(service: Service, heard: Heard) -> None:
    assert service.client.get("/readyz").status_code == 200
    assert heard.lines("lineage.request") == []
    places = service.installation.places
    while not service.installation.store._readers.empty():  # type: ignore[attr-defined]
        service.installation.store._readers.get_nowait().close()  # type: ignore[attr-defined]
    moved = places.file.rename(places.file.with_suffix(".away"))
    assert service.client.get("/readyz").status_code == 503
    moved.rename(places.file)
    assert [one["route"] for one in heard.lines("lineage.request")] == ["/readyz"]
