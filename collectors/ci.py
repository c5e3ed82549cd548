"""What a pipeline's environment tells of itself: which run of which system this is, and who triggered it.

Pure: a mapping of variables in, plain values out. Each system is read by the variables its own documentation promises
to every job, and only where the variable by which it makes itself known is set; nothing is guessed. Who triggered a run
is the word of the job, since whoever can edit a pipeline can set a variable: it may be recorded as claimed, never as
known. A value that could not stand in a record (too long, or nothing but blanks) counts as not told.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

Variables = Mapping[str, str]

_LONGEST_ADDRESS: Final = 4096
_LONGEST_SUBJECT: Final = 512


@dataclass(frozen=True, slots=True)
class PipelineRun:
    """One run of a pipeline.

    ``system`` is how it is told (``github-actions``), ``issuer`` whose accounts ``pipeline`` and ``human`` are
    (``github``). ``pipeline`` is what runs, under the name it keeps from run to run, such as its repository.
    ``address`` is where a person finds the run or job. ``step`` stays the same when the system runs the same step of
    the same run again, where it tells enough; else it is the address.
    """

    system: str
    issuer: str
    address: str | None
    step: str | None
    human: str | None
    pipeline: str | None = None

    @property
    def actor(self) -> dict[str, str]:
        """The pipeline as who did it, as it claims; nobody, where it tells no name."""
        if self.pipeline is None:
            return {"assurance": "observed"}
        who = {"issuer": self.issuer, "subject": self.pipeline, "kind": "service_account"}
        return {**who, "assurance": "claimed", "via": self.system}

    @property
    def on_behalf_of(self) -> dict[str, str] | None:
        """The human behind the job in the form of the language, or None where the job names nobody."""
        if self.human is None:
            return None
        ref = {} if self.address is None else {"ref": self.address}
        return {"issuer": self.issuer, "subject": self.human, "via": self.system, **ref}


def pipeline_run(environment: Variables) -> PipelineRun | None:
    """Return the run that an environment belongs to; None outside of every system that is known here.

    A pod comes last: the runners of other systems are pods too.
    """
    for shown_by, read in _SYSTEMS:
        if _told(environment, shown_by) is not None:
            return read(environment)
    return None


def _github_actions(environment: Variables) -> PipelineRun:
    """Read the default variables of GitHub Actions; the triggering actor is who ran it again, if somebody did."""
    server, repository, run = (_told(environment, f"GITHUB_{name}") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    address = f"{server}/{repository}/actions/runs/{run}" if server and repository and run else None
    return _run(
        ("github-actions", "github"),
        address,
        (address, _told(environment, "GITHUB_JOB")),
        _first(environment, "GITHUB_TRIGGERING_ACTOR", "GITHUB_ACTOR"),
        repository,
    )


def _gitlab_ci(environment: Variables) -> PipelineRun:
    """Read the predefined variables of GitLab CI/CD; a job that is run again has another address."""
    step = (_told(environment, "CI_PIPELINE_URL"), _told(environment, "CI_JOB_NAME"))
    return _run(
        ("gitlab-ci", "gitlab"),
        _told(environment, "CI_JOB_URL"),
        step,
        _told(environment, "GITLAB_USER_LOGIN"),
        _told(environment, "CI_PROJECT_PATH"),
    )


def _jenkins(environment: Variables) -> PipelineRun:
    """Read what Jenkins sets for a build; who started it is told by the plugin Build User Vars, if it is there."""
    address = _told(environment, "BUILD_URL")
    step = (address, _told(environment, "STAGE_NAME"))
    human, pipeline = _told(environment, "BUILD_USER_ID"), _told(environment, "JOB_NAME")
    return _run(("jenkins", "jenkins"), address, step, human, pipeline)


def _azure_pipelines(environment: Variables) -> PipelineRun:
    """Read the predefined variables of Azure Pipelines."""
    collection, project, build = (
        _told(environment, name) for name in ("SYSTEM_COLLECTIONURI", "SYSTEM_TEAMPROJECT", "BUILD_BUILDID")
    )
    address = None
    if collection and project and build:
        address = f"{collection.rstrip('/')}/{quote(project)}/_build/results?buildId={build}"
    step = (address, _told(environment, "SYSTEM_JOBNAME"))
    human = _first(environment, "BUILD_REQUESTEDFOREMAIL", "BUILD_REQUESTEDFOR")
    pipeline = _joined(project, _told(environment, "BUILD_DEFINITIONNAME"))
    return _run(("azure-pipelines", "azure-devops"), address, step, human, pipeline)


def _circleci(environment: Variables) -> PipelineRun:
    """Read the built-in variables of CircleCI; the user is one of the code host's, and not always told."""
    step = (_told(environment, "CIRCLE_WORKFLOW_ID"), _told(environment, "CIRCLE_JOB"))
    return _run(
        ("circleci", "circleci"),
        _told(environment, "CIRCLE_BUILD_URL"),
        step,
        _told(environment, "CIRCLE_USERNAME"),
        _joined(*(_told(environment, f"CIRCLE_PROJECT_{name}") for name in ("USERNAME", "REPONAME"))),
    )


def _buildkite(environment: Variables) -> PipelineRun:
    """Read the environment variables of Buildkite; who unblocked a build let it go on, and so comes first."""
    build, job = _told(environment, "BUILDKITE_BUILD_URL"), _told(environment, "BUILDKITE_JOB_ID")
    address = f"{build}#{job}" if build and job else build
    human = _first(
        environment,
        "BUILDKITE_UNBLOCKER_EMAIL",
        "BUILDKITE_UNBLOCKER",
        "BUILDKITE_BUILD_CREATOR_EMAIL",
        "BUILDKITE_BUILD_CREATOR",
    )
    pipeline = _joined(*(_told(environment, f"BUILDKITE_{name}_SLUG") for name in ("ORGANIZATION", "PIPELINE")))
    return _run(("buildkite", "buildkite"), address, (build, _told(environment, "BUILDKITE_STEP_ID")), human, pipeline)


def _bitbucket_pipelines(environment: Variables) -> PipelineRun:
    """Read the default variables of Bitbucket Pipelines, which name who triggered a step by an id only."""
    origin, number = _told(environment, "BITBUCKET_GIT_HTTP_ORIGIN"), _told(environment, "BITBUCKET_BUILD_NUMBER")
    address = f"{origin}/pipelines/results/{number}" if origin else None
    step = (_told(environment, "BITBUCKET_PIPELINE_UUID"), _told(environment, "BITBUCKET_STEP_UUID"))
    human = _told(environment, "BITBUCKET_STEP_TRIGGERER_UUID")
    pipeline = _told(environment, "BITBUCKET_REPO_FULL_NAME")
    return _run(("bitbucket-pipelines", "bitbucket"), address, step, human, pipeline)


def _kubernetes(environment: Variables) -> PipelineRun:
    """Read what a manifest hands a pod about itself (downward API): POD_NAMESPACE, POD_NAME, and JOB_NAME of a Job."""
    namespace, pod = _told(environment, "POD_NAMESPACE") or "default", _told(environment, "POD_NAME")
    job = _told(environment, "JOB_NAME")
    step = None if job is None else f"kubernetes:{namespace}/job/{job}"
    address = f"kubernetes:{namespace}/pod/{pod}"
    return _run(("kubernetes", "kubernetes"), address, (step, "job"), None, _joined(namespace, job))


_SYSTEMS: Final[tuple[tuple[str, Callable[[Variables], PipelineRun]], ...]] = (
    ("GITHUB_ACTIONS", _github_actions),
    ("GITLAB_CI", _gitlab_ci),
    ("JENKINS_URL", _jenkins),
    ("TF_BUILD", _azure_pipelines),
    ("CIRCLECI", _circleci),
    ("BUILDKITE", _buildkite),
    ("BITBUCKET_BUILD_NUMBER", _bitbucket_pipelines),
    ("POD_NAME", _kubernetes),
)
"""Each system, most particular first, with the variable that shows that a job is one of its."""


def _run(
    names: tuple[str, str],
    address: str | None,
    step: tuple[str | None, str | None],
    human: str | None,
    pipeline: str | None,
) -> PipelineRun:
    """Put a run together; two parts that are both told make a step."""
    run, part = step
    told = address if address is None or len(address) <= _LONGEST_ADDRESS else None
    return PipelineRun(
        *names,
        told,
        f"{run} {part}" if run and part else told,
        *(one if one is None or len(one) <= _LONGEST_SUBJECT else None for one in (human, pipeline)),
    )


def _joined(owner: str | None, name: str | None) -> str | None:
    return f"{owner}/{name}" if owner and name else None


def _told(environment: Variables, name: str) -> str | None:
    """Return a variable that says something."""
    return environment.get(name, "").strip() or None


def _first(environment: Variables, *names: str) -> str | None:
    return next((value for name in names if (value := _told(environment, name)) is not None), None)
