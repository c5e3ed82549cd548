"""Rules for every run: a test that did not run is a failure of the run, and random examples can be repeated.

A skip, an expected failure and a module left out while tests are collected all look green and prove nothing. They are
collected here, named at the end, and the run exits with 1. Leaving tests out by `-k`, `-m` or a path is a choice that
whoever typed it can see, and stays allowed. So is a desk without a Neo4j: its tests are named just as loudly, and only
LINEAGE_REQUIRE_NEO4J=1, which CI sets, makes them fail.

This file stands alone (it imports nothing of the project), because test_skips.py runs a copy of it elsewhere.
"""

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.division import Division
    from tests.graphdb.address import Address

_not_run = pytest.StashKey[list[str]]()
_without_neo4j = pytest.StashKey[list[str]]()
_NO_NEO4J = "no genuine Neo4j for the tests"

# Two cores are shared with databases and servers: the time of one example says nothing, a whole test has its timeout.
# In CI the examples are the same in every run; on a desk new ones are tried each time.
settings.register_profile(
    "house",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("house")


def pytest_configure(config: pytest.Config) -> None:
    """Start the lists of what did not run."""
    config.stash[_not_run], config.stash[_without_neo4j] = [], []
    config.pluginmanager.register(_Listener(config.stash[_not_run], config.stash[_without_neo4j]), "not-run")


@pytest.fixture(scope="session")
def graph_server() -> "Address":
    """Give the Neo4j of this run, started when the first test asks; tests/graphdb/README.md says how to have one."""
    from tests.graphdb.session import running_server

    return running_server()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> "Division":
    """Divide a run between its processes by file; tests/division.py says why and what stays together."""
    from tests.division import Division

    return Division(config, log)


class _Listener:
    """Hears every report and keeps those of tests that were not run or were allowed to fail."""

    def __init__(self, not_run: list[str], without_neo4j: list[str]) -> None:
        self._not_run = not_run
        self._without_neo4j = without_neo4j

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep skips and expected failures, and unexpected passes of tests marked as expected failures."""
        if not report.skipped and not hasattr(report, "wasxfail"):
            return
        reason = _reason(report)
        excused = reason.startswith(f"Skipped: {_NO_NEO4J}")
        (self._without_neo4j if excused else self._not_run).append(f"{report.nodeid}: {reason}")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep modules and packages that asked to be left out while tests were collected."""
        if report.skipped:
            self._not_run.append(f"{report.nodeid}: {_reason(report)}")


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    if hasattr(report, "wasxfail"):
        return f"expected failure: {report.wasxfail or 'no reason given'}"
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Turn a run that would pass, but left tests out, into a failed one."""
    looks_good = session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    if looks_good and session.config.stash[_not_run]:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name what did not run, where whoever reads the end of the log will see it."""
    for key, title in (
        (_without_neo4j, "for want of a Neo4j these tests did not run, and this run says nothing about them"),
        (_not_run, "these tests did not run, so this run has failed"),
    ):
        if config.stash[key]:
            terminalreporter.section(title, sep="=", red=True, bold=True)
        for line in config.stash[key]:
            terminalreporter.write_line(line)
