import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors import ci
from collectors.mlflow import context, headers
from collectors.mlflow.context import LineageRunContext, ci_context, context_tags, git_facts, openlineage_parent

SYSTEMS = [
    (
        {"GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "acme/credit",
         "GITHUB_RUN_ID": "99", "GITHUB_ACTOR": "ada", "GITHUB_TRIGGERING_ACTOR": "bob"},
        ("github-actions", "https://github.com/acme/credit/actions/runs/99", "github", "bob"),
    ),
    (
        {"GITLAB_CI": "true", "CI_JOB_URL": "https://gitlab.example/a/b/-/jobs/7", "GITLAB_USER_LOGIN": "ada"},
        ("gitlab-ci", "https://gitlab.example/a/b/-/jobs/7", "gitlab", "ada"),
    ),
    (
        {"JENKINS_URL": "https://j/", "BUILD_URL": "https://j/job/train/7/", "BUILD_USER_ID": "ada"},
        ("jenkins", "https://j/job/train/7/", "jenkins", "ada"),
    ),
    (
        {"TF_BUILD": "True", "SYSTEM_COLLECTIONURI": "https://dev.azure.com/acme/", "SYSTEM_TEAMPROJECT": "ML Team",
         "BUILD_BUILDID": "7", "BUILD_REQUESTEDFOREMAIL": "ada@acme.example", "BUILD_REQUESTEDFOR": "Ada"},
        ("azure-pipelines", "https://dev.azure.com/acme/ML%20Team/_build/results?buildId=7", "azure-devops",
         "ada@acme.example"),
    ),
    (
        {"CIRCLECI": "true", "CIRCLE_BUILD_URL": "https://circleci.com/gh/a/b/7", "CIRCLE_USERNAME": "ada"},
        ("circleci", "https://circleci.com/gh/a/b/7", "circleci", "ada"),
    ),
    (
        {"BUILDKITE": "true", "BUILDKITE_BUILD_URL": "https://buildkite.com/a/b/builds/7",
         "BUILDKITE_BUILD_CREATOR_EMAIL": "ada@acme.example"},
        ("buildkite", "https://buildkite.com/a/b/builds/7", "buildkite", "ada@acme.example"),
    ),
    (
        {"BITBUCKET_BUILD_NUMBER": "7", "BITBUCKET_GIT_HTTP_ORIGIN": "https://bitbucket.org/a/b",
         "BITBUCKET_STEP_TRIGGERER_UUID": "{1-2}"},
        ("bitbucket-pipelines", "https://bitbucket.org/a/b/pipelines/results/7", "bitbucket", "{1-2}"),
    ),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    yield
    context._git.cache_clear()
    context._slow.clear()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for command in (["init", "-q", "-b", "main"], ["remote", "add", "origin", "https://bot:s3cr3t@git.example/a/b.git"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    (tmp_path / "train.py").write_text("pass\n")
    (tmp_path / "deep").mkdir()
    subprocess.run(["git", "add", "train.py"], cwd=tmp_path, check=True)
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *who, "commit", "-qm", "first"], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.parametrize(("environment", "told"), SYSTEMS, ids=lambda one: one[0] if isinstance(one, tuple) else "")
def test_each_ci_system_is_known_by_its_variables(environment: dict[str, str], told: tuple[str, ...]) -> None:
    assert ci_context(environment) == dict(zip(("system", "url", "issuer", "subject"), told, strict=True))
    tags = context_tags(environment, {}, {})
    assert (tags["lineage.ci.system"], tags["lineage.ci.run_url"]) == told[:2]
    assert (tags["lineage.actor.issuer"], tags["lineage.actor.subject"]) == told[2:]
    said = json.loads(headers.on_behalf_of(environment) or "")
    assert said == dict(zip(("via", "ref", "issuer", "subject"), told, strict=True))


def test_outside_of_ci_nobody_is_named_and_no_header_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    stray = {"GITHUB_ACTOR": "ada", "BUILD_USER_ID": "ada", "GITLAB_USER_LOGIN": "ada"}
    assert ci_context(stray) is None
    assert context_tags(stray, {}, {}) == {}
    for shown_by, _ in ci._SYSTEMS:
        monkeypatch.delenv(shown_by, raising=False)
    assert headers.LineageRequestHeaders().request_headers() == {}
    assert not headers.LineageRequestHeaders().in_context()


def test_a_ci_system_that_names_nobody_is_no_actor() -> None:
    tags = context_tags({"GITHUB_ACTIONS": "true"}, {}, {})
    assert tags == {"lineage.ci.system": "github-actions"}
    assert headers.on_behalf_of({"GITHUB_ACTIONS": "true"}) is None


def test_the_header_is_ascii_and_short_whatever_the_names_are() -> None:
    base = {"GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "https://g", "GITHUB_REPOSITORY": "r", "GITHUB_RUN_ID": "1"}
    value = headers.on_behalf_of({**base, "GITHUB_ACTOR": "Jürgen\r\nX: 1"}) or ""
    assert value.isascii()
    assert value.isprintable()
    assert json.loads(value)["subject"] == "Jürgen\r\nX: 1"
    long = headers.on_behalf_of({**base, "GITHUB_ACTOR": "ada", "GITHUB_REPOSITORY": "x" * 3000}) or ""
    assert "ref" not in json.loads(long)
    assert len(long) <= headers.MOST_BYTES
    assert headers.on_behalf_of({**base, "GITHUB_ACTOR": "x" * 600}) is None


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        (
            {"OPENLINEAGE_PARENT_ID": "s3://a/ns/dag.task/0195F3A2-1111-7222-8333-944445555666"},
            {"parent_run": "0195f3a2-1111-7222-8333-944445555666", "parent_job": "s3://a/ns/dag.task"},
        ),
        (
            {"OPENLINEAGE_PARENT_RUN_ID": "0195f3a2-1111-7222-8333-944445555666", "OPENLINEAGE_PARENT_JOB_NAME": "j",
             "OPENLINEAGE_PARENT_JOB_NAMESPACE": "n"},
            {"parent_run": "0195f3a2-1111-7222-8333-944445555666", "parent_job": "n/j"},
        ),
        ({"OPENLINEAGE_PARENT_ID": "ns/job/not a run"}, {}),
        ({}, {}),
    ],
)  # fmt: skip
def test_the_openlineage_parent_run(environment: dict[str, str], told: dict[str, str]) -> None:
    assert openlineage_parent(environment) == told


def test_airflow_tells_dag_task_and_run() -> None:
    names = {"DAG_ID": "credit", "TASK_ID": "train", "DAG_RUN_ID": "manual__1", "TRY_NUMBER": "2", "DAG_OWNER": "ada"}
    tags = context_tags({f"AIRFLOW_CTX_{name}": value for name, value in names.items()}, {}, {})
    assert tags == {
        "lineage.airflow.dag_id": "credit",
        "lineage.airflow.task_id": "train",
        "lineage.airflow.run_id": "manual__1",
        "lineage.airflow.try_number": "2",
    }


def test_a_work_tree_tells_its_commit_and_whether_it_differs(repository: Path) -> None:
    clean = git_facts(repository / "deep")
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repository, check=True, capture_output=True, text=True)
    assert clean == {
        "commit": head.stdout.strip(),
        "branch": "main",
        "repository": "https://git.example/a/b.git",
        "dirty": "false",
    }
    (repository / "notes.txt").write_text("not tracked")
    assert git_facts(repository)["dirty"] == "false"
    (repository / "train.py").write_text("changed\n")
    assert git_facts(repository)["dirty"] == "true"


def test_a_linked_work_tree_and_a_detached_head_are_understood(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("linked") / "tree"
    subprocess.run(["git", "worktree", "add", "-q", "--detach", str(other)], cwd=repository, check=True)
    told = git_facts(other)
    assert (told["repository"], "branch" in told) == ("https://git.example/a/b.git", False)


def test_outside_of_a_repository_and_before_the_first_commit_nothing_is_told(tmp_path: Path) -> None:
    assert git_facts(tmp_path) == {}
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    assert git_facts(tmp_path) == {}


def test_a_git_that_hangs_gets_one_second_and_is_not_asked_again(
    repository: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path_factory.mktemp("bin") / "git"
    asked = slow.with_name("asked")
    slow.write_text(f"#!/bin/sh\necho x >> {asked}\nexec sleep 30\n")
    slow.chmod(0o700)
    monkeypatch.setenv("PATH", f"{slow.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(context, "GIT_SECONDS", 0.2)
    assert git_facts(repository) == {}
    assert context._git(str(repository), 1) == context._git(str(repository), 2) == {}
    assert asked.read_text() == "x\n"
    monkeypatch.setenv("PATH", str(slow.parent / "empty"))
    context._slow.clear()
    assert git_facts(repository) == {}


def test_the_machine_is_read_from_files(tmp_path: Path) -> None:
    for number, model in enumerate(("NVIDIA A100", "NVIDIA A100", "NVIDIA T4")):
        (tmp_path / "gpus" / str(number)).mkdir(parents=True)
        (tmp_path / "gpus" / str(number) / "information").write_text(f"Model: \t\t {model}\nIRQ: 1\n")
    assert context._cards(tmp_path) == "2 x NVIDIA A100, NVIDIA T4"
    assert context._cards(tmp_path / "none") == ""
    assert context.machine()["python"] == ".".join(map(str, sys.version_info[:3]))
    assert context.machine()["os"].endswith(os.uname().machine)


def test_a_provider_never_raises_and_can_be_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> Path:
        raise FileNotFoundError

    monkeypatch.setattr(context, "_folder", gone)
    assert LineageRunContext().in_context()
    assert LineageRunContext().tags() == {}
    monkeypatch.setenv("LINEAGE_CONTEXT", "off")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_ACTOR", "ada")
    assert not LineageRunContext().in_context()
    assert not headers.LineageRequestHeaders().in_context()


def test_importing_the_providers_loads_the_standard_library_only() -> None:
    script = textwrap.dedent("""
        import sys
        before = set(sys.modules)
        import collectors.mlflow.context, collectors.mlflow.headers
        named = {name.partition(".")[0] for name in set(sys.modules) - before}
        print(*sorted(named - sys.stdlib_module_names))
    """)
    told = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert told.stdout.split() == ["collectors"]
