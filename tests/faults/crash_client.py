"""A collector in its own process: posts facts from several threads, and prints what it sent and what it was promised.

Run as ``python -m tests.faults.crash_client PORT TOKEN FIRST THREADS``. One JSON object a line: ``{"sent": number,
"events": […]}`` before a request, ``{"answered": number, "status": …, "body": …}`` once the whole answer was read. A
service that lives and says nothing for a minute answers with status 0. After a refusal the next request comes a little
later. Ends when the service does. Standard library only, so that it starts in no time.
"""

import http.client
import itertools
import json
import os
import sys
import threading
import time

_CREATED = 201
_SILENT = 0
_PATIENCE_SECONDS = 60
_PAUSE_SECONDS = 0.2

_counter = itertools.count(int(sys.argv[3]) if __name__ == "__main__" else 0)
_printing = threading.Lock()


def say(**line: object) -> None:
    """Print one line at once."""
    data = json.dumps(line).encode() + b"\n"
    with _printing:
        while data:
            data = data[os.write(1, data) :]


def events_of(number: int) -> list[dict[str, object]]:
    """Return the facts of one request: a run and what became of it, with personal values, by one of fifty people."""
    actor = {
        "issuer": "mlflow:prod",
        "subject": f"user{number % 50}",
        "assurance": "authenticated",
        "via": "basic-auth",
    }
    instant = f"2026-01-01T{number // 3_600_000 % 24:02d}:{number // 60_000 % 60:02d}:{number // 1000 % 60:02d}"
    told = {"occurred_at": f"{instant}.{number % 1000:03d}Z", "source": {"order": number}, "actor": actor}
    run = {
        "run": f"r{number}",
        "state": "complete",
        "name": f"nightly {number}",
        "inputs": [{"namespace": "s3://lake", "name": "loans", "version": str(number % 20), "roles": ["training"]}],
        "outputs": [{"namespace": "s3://lake", "name": f"scores/{number % 7}"}],
    }
    version = {"model": "model:mlflow-prod::credit", "version": str(number), "created_ms": 1, "run": f"r{number}"}
    facts: list[dict[str, object]] = [{"type": "run.observed", "body": run, **told}]
    if number % 2:
        facts.append({"type": "model_version.registered", "body": version, **told})
    return facts


def work(port: int, token: str) -> None:
    """Post one request after another until the service is gone."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_SECONDS)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    for number in _counter:
        events = events_of(number)
        say(sent=number, events=events)
        try:
            connection.request("POST", "/api/v1/events", json.dumps({"events": events}), headers)
            answer = connection.getresponse()
            body = json.loads(answer.read())
        except TimeoutError:
            say(answered=number, status=_SILENT, body=None)
            return
        except (OSError, http.client.HTTPException, ValueError):
            return  # no answer: nothing was promised
        say(answered=number, status=answer.status, body=body)
        if answer.status != _CREATED:
            time.sleep(_PAUSE_SECONDS)


def main(port: int, token: str, threads: int) -> None:
    """Work with several threads."""
    workers = [threading.Thread(target=work, args=(port, token)) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[4]))
