"""The service on Kubernetes: one signer, probes that mean what they say, secrets as files, few rights."""

from pathlib import Path
from typing import Any

import pytest
import yaml

import lineage_service
from lineage_service.ledger.errors import KeyFileError
from lineage_service.ledger.keys import generate_signing_key, load_key, save_key
from tests.service import make_service
from tests.unit.packaging.dockerfile import environment_of, stages

FOLDER = Path(lineage_service.__file__).parent / "examples"
SERVICE = list(yaml.safe_load_all((FOLDER / "kubernetes-service.yaml").read_text(encoding="utf-8")))
BY_HAND = list(yaml.safe_load_all((FOLDER / "kubernetes-by-hand.yaml").read_text(encoding="utf-8")))


def of_kind(documents: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [one for one in documents if one["kind"] == kind]


(STATEFUL,) = of_kind(SERVICE, "StatefulSet")
(POD,) = of_kind(BY_HAND, "Pod")
PODS = {"service": STATEFUL["spec"]["template"]["spec"], "by hand": POD["spec"]}
both = pytest.mark.parametrize("pod", PODS.values(), ids=PODS)


def the_container(pod: dict[str, Any]) -> dict[str, Any]:
    (container,) = pod["containers"]
    assert isinstance(container, dict)
    return container


def variables_of(pod: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in the_container(pod)["env"]}


def test_there_is_one_signer_which_ends_before_its_successor_begins() -> None:
    assert [one["kind"] for one in SERVICE] == ["Service", "StatefulSet"]
    assert STATEFUL["spec"]["replicas"] == 1
    assert "podManagementPolicy" not in STATEFUL["spec"]
    claims = {one["metadata"]["name"]: one["spec"]["accessModes"] for one in of_kind(BY_HAND, "PersistentVolumeClaim")}
    assert claims == {"lineage-keys": ["ReadWriteOncePod"], "lineage-data": ["ReadWriteOncePod"]}


def test_the_service_finds_its_pod() -> None:
    (service,) = of_kind(SERVICE, "Service")
    labels = STATEFUL["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"] == STATEFUL["spec"]["selector"]["matchLabels"] == labels
    assert STATEFUL["spec"]["serviceName"] == service["metadata"]["name"]
    (port,) = service["spec"]["ports"]
    (open_port,) = the_container(PODS["service"])["ports"]
    assert (port["targetPort"], port["port"]) == (open_port["name"], open_port["containerPort"])


def test_the_probes_ask_routes_that_everybody_may_ask_and_a_lost_database_restarts_nothing(tmp_path: Path) -> None:
    container = the_container(PODS["service"])
    asked = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert {name: get["path"] for name, get in asked.items()} == {
        "startup": "/healthz",
        "liveness": "/healthz",
        "readiness": "/readyz",
    }
    assert {get["port"] for get in asked.values()} == {container["ports"][0]["name"]}
    listen = environment_of(stages()["service"], stages())["LINEAGE_LISTEN"]
    assert listen == f"0.0.0.0:{container['ports'][0]['containerPort']}"
    with make_service(tmp_path) as service:
        assert [service.client.get(get["path"]).status_code for get in asked.values()] == [200, 200, 200]


@both
def test_a_secret_is_a_file_and_never_a_variable(pod: dict[str, Any]) -> None:
    container = the_container(pod)
    assert "envFrom" not in container
    assert all(set(one) == {"name", "value"} for one in container["env"])
    (secret,) = (one for one in pod["volumes"] if "secret" in one)
    (mount,) = (one for one in container["volumeMounts"] if one["name"] == secret["name"])
    assert mount["readOnly"] is True
    assert Path(variables_of(pod)["LINEAGE_NEO4J_PASSWORD_FILE"]).parent == Path(mount["mountPath"])
    assert secret["secret"]["defaultMode"] == 0o440


@both
def test_every_volume_is_there_and_all_that_is_written_lies_on_one(pod: dict[str, Any]) -> None:
    container = the_container(pod)
    assert {one["name"] for one in pod["volumes"]} == {one["name"] for one in container["volumeMounts"]}
    claimed = {one["persistentVolumeClaim"]["claimName"] for one in pod["volumes"] if "persistentVolumeClaim" in one}
    assert claimed == {one["metadata"]["name"] for one in of_kind(BY_HAND, "PersistentVolumeClaim")}
    mounted = {one["mountPath"] for one in container["volumeMounts"] if not one.get("readOnly")}
    assert mounted == {"/var/lib/lineage/keys", "/var/lib/lineage/data", "/tmp"}  # noqa: S108  that of the container
    written = [variables_of(pod)[name] for name in ("LINEAGE_DATA_DIR", "LINEAGE_KEYS_DIR")]
    assert [Path(one).is_relative_to(on) for one, on in zip(written, sorted(mounted)[1:], strict=True)] == [True, True]


@both
def test_a_pod_has_few_rights_and_no_variables_of_the_cluster(pod: dict[str, Any]) -> None:
    assert pod["enableServiceLinks"] is False
    assert pod["automountServiceAccountToken"] is False
    outer, inner = pod["securityContext"], the_container(pod)["securityContext"]
    assert (outer["runAsNonRoot"], outer["runAsUser"], outer["fsGroup"]) == (True, 10001, 10001)
    assert outer["seccompProfile"] == {"type": "RuntimeDefault"}
    assert inner == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@both
def test_the_group_of_the_volume_never_opens_the_keys(pod: dict[str, Any], tmp_path: Path) -> None:
    assert pod["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"
    keys = next(one["mountPath"] for one in the_container(pod)["volumeMounts"] if one["name"] == "keys")
    assert Path(variables_of(pod)["LINEAGE_KEYS_DIR"]).parent == Path(keys)
    save_key(tmp_path / "log.key", generate_signing_key("log.example.org"))
    (tmp_path / "log.key").chmod(0o660)  # what the other policy does at each start
    with pytest.raises(KeyFileError, match="open to other users"):
        load_key(tmp_path / "log.key")


def test_both_pods_open_the_same_installation_with_the_same_program() -> None:
    of_service, by_hand = variables_of(PODS["service"]), variables_of(PODS["by hand"])
    assert {**of_service, "LINEAGE_ORIGIN": by_hand["LINEAGE_ORIGIN"]} == by_hand
    assert the_container(PODS["service"])["image"] == the_container(PODS["by hand"])["image"]
    assert PODS["service"]["volumes"] == PODS["by hand"]["volumes"]
    assert the_container(PODS["service"])["args"] == ["serve"]
