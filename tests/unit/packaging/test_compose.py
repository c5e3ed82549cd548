"""The compose file is one by the specification's own parser, refers to what is there, and gives nobody a password."""

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from compose_spec import PyCompose

from collectors.mlflow.settings import PluginSettings
from tests.architecture.test_distribution import PROJECT
from tests.unit.packaging import composition
from tests.unit.packaging.composition import dangling, named_volumes, read, variables_of, words

DOCUMENT = read()
SERVICES: dict[str, dict[str, Any]] = DOCUMENT["services"]
OURS = {name for name, service in SERVICES.items() if service["image"].startswith("lineage-")}
BY_DEFAULT = {name for name, service in SERVICES.items() if not service.get("profiles")}
# A name and a patch release; what runs is chosen, and never the newest of the day.
PINNED = re.compile(r"[a-z][a-z0-9/-]*:(?:\d+\.\d+(?:\.\d+)?(?:-[a-z0-9.-]+)?|RELEASE\.[0-9TZ-]+)")
SECRET_WORD = re.compile(r"PASSWORD|SECRET|TOKEN|KEY")
NO_SECRETS = {"AWS_ACCESS_KEY_ID": "mlflow", "GIT_CONFIG_KEY_0": "safe.directory"}
INSIDE = re.compile(r"/run/secrets/([a-z0-9_]+)")


def parsed(document: dict[str, Any]) -> PyCompose:
    """Read a document with the parser of the specification; ValueError says what is wrong."""
    compose = PyCompose.from_json(json.dumps(document))
    compose.validate()
    return compose


def test_the_parser_of_the_specification_takes_the_file() -> None:
    assert parsed(DOCUMENT).service_names() == list(SERVICES)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda services: services["lineage"].update(restrat="always"),
        lambda services: services["lineage"].update(restart="sometimes"),
        lambda services: services["lineage"]["secrets"].append("nowhere"),
        lambda services: services["mlflow"]["depends_on"]["bucket"].update(condition="service_done"),
        lambda services: services["mlflow"].update(ports=["127.0.0.1:five:5000"]),
        lambda services: services["neo4j"]["healthcheck"].update(interval="often"),
    ],
)
def test_the_parser_would_see_a_slip(spoil: Callable[[dict[str, Any]], None]) -> None:
    spoilt = copy.deepcopy(DOCUMENT)
    spoil(spoilt["services"])
    with pytest.raises(ValueError, match=r"\S"):
        parsed(spoilt)


def test_everything_a_service_refers_to_is_defined_and_everything_defined_is_used() -> None:
    assert dangling(DOCUMENT) == []


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda file: file["volumes"].pop("minio-data"), "minio refers to volumes minio-data"),
        (lambda file: file["secrets"].pop("git_token"), "git refers to secrets git_token"),
        (lambda file: file["networks"].pop("registry"), "bucket refers to networks registry"),
        (lambda file: file["services"].pop("postgres"), "mlflow refers to services postgres"),
        (lambda file: file["volumes"].update(old=None), "nobody uses volumes old"),
        (lambda file: file["services"]["lineage"].update(profiles=["x"]), "reconciler waits for lineage"),
    ],
)
def test_a_reference_that_leads_nowhere_is_found(spoil: Callable[[dict[str, Any]], Any], told: str) -> None:
    spoilt = copy.deepcopy(DOCUMENT)
    spoil(spoilt)
    assert any(finding.startswith(told) for finding in dangling(spoilt))


def test_what_starts_by_itself_is_the_stack_and_the_rest_is_asked_for() -> None:
    assert {"neo4j", "lineage", "postgres", "minio", "bucket", "mlflow", "reconciler"} == BY_DEFAULT
    assert {name: SERVICES[name]["profiles"] for name in set(SERVICES) - BY_DEFAULT} == {
        "cli": ["tools"],
        "git": ["git"],
        "embedded": ["embedded"],
    }


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_named_to_the_patch_release(name: str) -> None:
    image = SERVICES[name]["image"]
    assert PINNED.fullmatch(image), image
    assert ("build" in SERVICES[name]) == (name in OURS)
    assert image.startswith("neo4j:5.26.") == (name == "neo4j")
    if name in OURS:
        assert image.endswith(f":{PROJECT['version']}")


@pytest.mark.parametrize("image", ["neo4j", "neo4j:latest", "neo4j:5", "minio/minio:latest", "postgres:17"])
def test_an_image_that_moves_would_be_seen(image: str) -> None:
    assert not PINNED.fullmatch(image)


def test_what_is_published_is_published_on_loopback() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(ports) == {"lineage", "embedded", "mlflow"}
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for some in ports.values() for port in some)
    assert not any("network_mode" in service or "links" in service for service in SERVICES.values())


def test_databases_have_no_way_out() -> None:
    closed = {name for name, network in DOCUMENT["networks"].items() if network and network.get("internal")}
    assert closed == {"ledger", "registry"}
    assert all(set(SERVICES[name]["networks"]) <= closed for name in ("neo4j", "postgres", "minio", "bucket"))


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_few_rights_and_a_way_to_end(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "pid", "ipc", "devices"} & set(service)
    assert not any("docker.sock" in word for word in words(service))
    if name in OURS:
        assert service["read_only"] is True
        assert service["init"] is True
    if name not in {"cli", "bucket"}:
        assert service["restart"] == "unless-stopped"
        assert "stop_grace_period" in service


def test_whoever_is_waited_for_says_when_it_is_well() -> None:
    waits = {
        (what, how["condition"]) for service in SERVICES.values() for what, how in service.get("depends_on", {}).items()
    }
    assert waits == {
        ("neo4j", "service_healthy"),
        ("lineage", "service_healthy"),
        ("postgres", "service_healthy"),
        ("minio", "service_healthy"),
        ("bucket", "service_completed_successfully"),
        ("mlflow", "service_healthy"),
    }
    assert all("healthcheck" in SERVICES[what] for what, condition in waits if condition == "service_healthy")


def test_no_variable_of_the_file_or_of_a_service_is_a_password() -> None:
    asked = set(re.findall(r"\$\{([A-Z][A-Z0-9_]*)", composition.FILE.read_text(encoding="utf-8")))
    assert {name for name in asked if SECRET_WORD.search(name)} == {"SECRETS"}
    for service in SERVICES.values():
        for name, value in variables_of(service).items():
            if SECRET_WORD.search(name) and name not in NO_SECRETS:
                assert name.endswith("_FILE"), name
                assert INSIDE.fullmatch(value), name
    assert all(value in (None, NO_SECRETS[name]) for s in SERVICES.values() for name in NO_SECRETS
               for value in [variables_of(s).get(name)])  # fmt: skip


def test_each_secret_is_a_file_of_one_folder() -> None:
    assert DOCUMENT["secrets"] == {name: {"file": f"./secrets/{name}"} for name in DOCUMENT["secrets"]}
    elsewhere = read({"SECRETS": "/etc/lineage"})["secrets"]
    assert elsewhere["git_token"] == {"file": "/etc/lineage/git_token"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_gets_the_secrets_it_reads_and_no_others(name: str) -> None:
    service = SERVICES[name]
    read_here = {found for word in words(service) for found in INSIDE.findall(word)}
    assert read_here == set(service.get("secrets", []))


def test_only_neo4j_and_the_service_hold_the_password_of_the_ledger() -> None:
    assert {name for name, service in SERVICES.items() if "neo4j_password" in service.get("secrets", [])} == {
        "neo4j",
        "lineage",
    }
    assert {name for name, service in SERVICES.items() if "admin_token" in service.get("secrets", [])} == {"cli"}


@pytest.mark.parametrize("name", ["lineage", "embedded"])
def test_keys_and_ledger_are_volumes_apart(name: str) -> None:
    mounted = dict(volume.split(":") for volume in SERVICES[name]["volumes"])
    assert set(mounted.values()) == {"/var/lib/lineage/keys", "/var/lib/lineage/data"}
    others = {volume for other in SERVICES if other != name for volume in named_volumes(SERVICES[other])}
    assert not set(mounted) & others


def test_a_variable_changes_what_it_says() -> None:
    memory = variables_of(read({"NEO4J_HEAP": "512m", "NEO4J_PAGECACHE": "256m"})["services"]["neo4j"])
    assert sorted(value for name, value in memory.items() if "memory" in name) == ["256m", "512m", "512m"]
    assert sorted(value for name, value in variables_of(SERVICES["neo4j"]).items() if "memory" in name) == [
        "1g", "2g", "2g",
    ]  # fmt: skip
    git = read({"GIT_REPOSITORY": "/srv/models.git"})["services"]["git"]["volumes"][1]
    assert (git["source"], git["read_only"], git["bind"]) == ("/srv/models.git", True, {"create_host_path": False})


@pytest.mark.parametrize("app", [None, "none"])
def test_the_plugin_takes_what_the_mlflow_server_is_given(app: str | None) -> None:
    chosen = {} if app is None else {"LINEAGE_MLFLOW_APP": app}
    given = variables_of(read(chosen)["services"]["mlflow"])
    settings = PluginSettings.from_env({**given, "LINEAGE_SPOOL": "/var/lib/lineage/spool"})
    assert (settings.app, settings.registry, settings.block) == (app or "basic-auth", "prod", True)
    assert settings.spool == Path("/var/lib/lineage/spool")
    mounted = [volume.split(":")[1] for volume in SERVICES["mlflow"]["volumes"]]
    assert mounted == ["/var/lib/lineage/spool"]


def test_reader_and_plugin_name_the_registry_alike_and_mlflow_lets_its_readers_in() -> None:
    both = [variables_of(SERVICES[name])["LINEAGE_MLFLOW_REGISTRY"] for name in ("mlflow", "reconciler")]
    assert len(set(both)) == 1
    address = SERVICES["reconciler"]["command"][2]
    allowed = variables_of(SERVICES["mlflow"])["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert address.removeprefix("http://") in allowed
