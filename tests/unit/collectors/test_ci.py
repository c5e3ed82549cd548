"""Each system by the variables that its documentation promises to every job."""

import pytest

from collectors.ci import PipelineRun, pipeline_run

GITHUB = {
    "CI": "true",
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "team/credit",
    "GITHUB_RUN_ID": "1658821493",
    "GITHUB_RUN_ATTEMPT": "1",
    "GITHUB_JOB": "rollout",
    "GITHUB_ACTOR": "octo",
    "GITHUB_TRIGGERING_ACTOR": "octo",
}
GITLAB = {
    "CI": "true",
    "GITLAB_CI": "true",
    "CI_JOB_URL": "https://gitlab.example/team/credit/-/jobs/5",
    "CI_PIPELINE_URL": "https://gitlab.example/team/credit/-/pipelines/9",
    "CI_JOB_NAME": "rollout",
    "CI_PROJECT_PATH": "team/credit",
    "GITLAB_USER_LOGIN": "ada",
}
JENKINS = {
    "JENKINS_URL": "https://jenkins.example/",
    "BUILD_URL": "https://jenkins.example/job/credit/15/",
    "BUILD_TAG": "jenkins-credit-15",
    "JOB_NAME": "credit",
    "STAGE_NAME": "Roll out",
    "BUILD_USER_ID": "ada",
}
AZURE = {
    "TF_BUILD": "True",
    "SYSTEM_COLLECTIONURI": "https://dev.azure.com/fabrikam/",
    "SYSTEM_TEAMPROJECT": "credit risk",
    "BUILD_BUILDID": "101",
    "BUILD_DEFINITIONNAME": "rollout credit",
    "SYSTEM_JOBNAME": "rollout",
    "BUILD_REQUESTEDFOR": "Ada L",
    "BUILD_REQUESTEDFOREMAIL": "ada@example.org",
}
CIRCLE = {
    "CI": "true",
    "CIRCLECI": "true",
    "CIRCLE_BUILD_URL": "https://circleci.com/gh/team/credit/12",
    "CIRCLE_WORKFLOW_ID": "3a1c",
    "CIRCLE_JOB": "rollout",
    "CIRCLE_PROJECT_USERNAME": "team",
    "CIRCLE_PROJECT_REPONAME": "credit",
    "CIRCLE_USERNAME": "octo",
}
BUILDKITE = {
    "CI": "true",
    "BUILDKITE": "true",
    "BUILDKITE_BUILD_URL": "https://buildkite.com/team/credit/builds/15",
    "BUILDKITE_JOB_ID": "0190",
    "BUILDKITE_ORGANIZATION_SLUG": "team",
    "BUILDKITE_PIPELINE_SLUG": "credit",
    "BUILDKITE_STEP_ID": "4735ba57",
    "BUILDKITE_BUILD_CREATOR": "Ada L",
    "BUILDKITE_BUILD_CREATOR_EMAIL": "ada@example.org",
}
BITBUCKET = {
    "CI": "true",
    "BITBUCKET_BUILD_NUMBER": "31",
    "BITBUCKET_GIT_HTTP_ORIGIN": "https://bitbucket.org/team/credit",
    "BITBUCKET_PIPELINE_UUID": "{p1}",
    "BITBUCKET_REPO_FULL_NAME": "team/credit",
    "BITBUCKET_STEP_UUID": "{s1}",
    "BITBUCKET_STEP_TRIGGERER_UUID": "{u1}",
}
POD = {
    "KUBERNETES_SERVICE_HOST": "10.0.0.1",
    "POD_NAMESPACE": "models",
    "POD_NAME": "record-x7x2p",
    "JOB_NAME": "record",
}

RUNS = {
    "github": (
        GITHUB,
        PipelineRun(
            "github-actions",
            "github",
            "https://github.com/team/credit/actions/runs/1658821493",
            "https://github.com/team/credit/actions/runs/1658821493 rollout",
            "octo",
            "team/credit",
        ),
    ),
    "gitlab": (
        GITLAB,
        PipelineRun(
            "gitlab-ci",
            "gitlab",
            "https://gitlab.example/team/credit/-/jobs/5",
            "https://gitlab.example/team/credit/-/pipelines/9 rollout",
            "ada",
            "team/credit",
        ),
    ),
    "jenkins": (
        JENKINS,
        PipelineRun(
            "jenkins",
            "jenkins",
            "https://jenkins.example/job/credit/15/",
            "https://jenkins.example/job/credit/15/ Roll out",
            "ada",
            "credit",
        ),
    ),
    "azure": (
        AZURE,
        PipelineRun(
            "azure-pipelines",
            "azure-devops",
            "https://dev.azure.com/fabrikam/credit%20risk/_build/results?buildId=101",
            "https://dev.azure.com/fabrikam/credit%20risk/_build/results?buildId=101 rollout",
            "ada@example.org",
            "credit risk/rollout credit",
        ),
    ),
    "circle": (
        CIRCLE,
        PipelineRun(
            *("circleci", "circleci", "https://circleci.com/gh/team/credit/12", "3a1c rollout", "octo"),
            pipeline="team/credit",
        ),
    ),
    "buildkite": (
        BUILDKITE,
        PipelineRun(
            "buildkite",
            "buildkite",
            "https://buildkite.com/team/credit/builds/15#0190",
            "https://buildkite.com/team/credit/builds/15 4735ba57",
            "ada@example.org",
            "team/credit",
        ),
    ),
    "bitbucket": (
        BITBUCKET,
        PipelineRun(
            "bitbucket-pipelines",
            "bitbucket",
            "https://bitbucket.org/team/credit/pipelines/results/31",
            "{p1} {s1}",
            "{u1}",
            "team/credit",
        ),
    ),
    "kubernetes": (
        POD,
        PipelineRun(
            "kubernetes",
            "kubernetes",
            "kubernetes:models/pod/record-x7x2p",
            "kubernetes:models/job/record job",
            None,
            "models/record",
        ),
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_system_is_read_by_its_documented_variables(name: str) -> None:
    environment, run = RUNS[name]
    assert pipeline_run(environment) == run


@pytest.mark.parametrize("name", RUNS)
def test_a_runner_in_a_pod_belongs_to_its_system_and_not_to_the_pod(name: str) -> None:
    environment, run = RUNS[name]
    assert pipeline_run({**POD, **environment}) == run


@pytest.mark.parametrize(
    "environment", [{}, {"CI": "true"}, {"GITHUB_ACTOR": "octo"}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}]
)
def test_outside_of_every_known_system_nobody_is_invented(environment: dict[str, str]) -> None:
    assert pipeline_run(environment) is None


@pytest.mark.parametrize(
    "shown_by", ["GITHUB_ACTIONS", "GITLAB_CI", "JENKINS_URL", "TF_BUILD", "CIRCLECI", "BUILDKITE"]
)
def test_a_job_that_tells_nothing_else_has_neither_address_nor_human(shown_by: str) -> None:
    run = pipeline_run({shown_by: "true"})
    assert run is not None
    assert (run.address, run.step, run.human, run.on_behalf_of) == (None, None, None, None)
    assert run.actor == {"assurance": "observed"}


def test_whoever_ran_it_again_is_who_did_it_and_the_step_stays_the_same() -> None:
    first, again = pipeline_run(GITHUB), pipeline_run({**GITHUB, "GITHUB_TRIGGERING_ACTOR": "ada"})
    assert first is not None
    assert again is not None
    assert (again.human, again.step) == ("ada", first.step)


def test_who_unblocked_a_build_let_it_go_on() -> None:
    run = pipeline_run({**BUILDKITE, "BUILDKITE_UNBLOCKER_EMAIL": "eve@example.org"})
    assert run is not None
    assert run.human == "eve@example.org"


def test_a_pipeline_claims_to_have_done_it() -> None:
    run = pipeline_run(GITHUB)
    assert run is not None
    assert run.actor == {
        "issuer": "github",
        "subject": "team/credit",
        "kind": "service_account",
        "assurance": "claimed",
        "via": "github-actions",
    }


def test_a_human_is_told_in_the_form_of_the_language() -> None:
    run = pipeline_run(GITLAB)
    assert run is not None
    assert run.on_behalf_of == {
        "issuer": "gitlab",
        "subject": "ada",
        "via": "gitlab-ci",
        "ref": "https://gitlab.example/team/credit/-/jobs/5",
    }


@pytest.mark.parametrize("value", ["", "  ", "x" * 513])
def test_a_name_that_could_not_stand_in_a_record_counts_as_not_told(value: str) -> None:
    run = pipeline_run({**GITLAB, "GITLAB_USER_LOGIN": value})
    assert run is not None
    assert run.human is None


def test_a_pod_that_is_no_job_is_its_own_step() -> None:
    run = pipeline_run({"POD_NAME": "server-1"})
    assert run is not None
    assert (run.address, run.step) == ("kubernetes:default/pod/server-1", "kubernetes:default/pod/server-1")
