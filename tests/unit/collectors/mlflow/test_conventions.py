from pathlib import Path

import pytest

from collectors.mlflow import conventions
from collectors.mlflow.conventions import CLAIMS, FIELDS, ConventionsError, parse
from collectors.mlflow.settings import PluginSettings, PluginSettingsError

SETTINGS = {"LINEAGE_URL": "http://127.0.0.1:8765", "LINEAGE_TOKEN": "lt_test"}
SHIPPED_NAMES = {
    "data_version", "data_source", "data_start_date", "data_end_date", "git_commit", "git_branch", "python_version",
    "gpu_type", "validated", "validation_status", "approved_by", "approval_status", "requested_by", "ab_test_role",
    "performance_tier", "business_unit",
}  # fmt: skip


def test_the_shipped_names_each_have_a_meaning_of_the_language() -> None:
    shipped = conventions.shipped()
    assert set(shipped.names) == SHIPPED_NAMES
    assert set(shipped.names.values()) == CLAIMS | FIELDS


def test_a_claim_stands_in_clear_only_where_the_language_says_so() -> None:
    pairs = [["approved_by", "bob"], ["approval_status", "approved"], ["C", "1"], ["validated", ""]]
    assert conventions.shipped().claims(pairs) == [
        {"means": "approver", "name": "approved_by", "hidden": "bob"},
        {"means": "approval", "name": "approval_status", "value": "approved"},
    ]
    assert conventions.shipped().meant("approved_by") == ["approver"]
    assert conventions.shipped().meant("data_version") == conventions.shipped().meant("C") == []


def test_the_name_that_the_file_lists_first_counts() -> None:
    rules = parse(b"dataset_version: [release, data_version]\n", "c.yaml")
    assert rules.told("dataset_version", [["data_version", "v1"], ["release", "v2"]]) == "v2"
    assert rules.told("dataset_version", [["data_version", "v1"], ["release", " "]]) == "v1"
    assert rules.told("dataset", [["data_source", "x"]]) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("approver: [a]\napprovers: [b]\n", "line 2, column 1: 'approvers' is no meaning; there are approval"),
        ("approver: [a]\napprover: [b]\n", "line 2, column 1: 'approver' stands here twice"),
        ("approver: [a]\nowner: [b, a]\n", "line 2, column 12: 'a' has a meaning already: approver"),
        ("approver: a\n", "line 1, column 11: write a list of names"),
        ("approver: [a, {b: c}]\n", "line 1, column 15: a name of a parameter or tag is a text"),
        ("approver: [a\n", "line 2, column 1"),
        ("- approver\n", "line 1, column 1: a file of conventions maps meanings"),
        ("approver: ['']\n", "line 1, column 12"),
        ("a: !!python/object/apply:os.system ['true']\n", "'a' is no meaning"),
        ("\x00", "no YAML"),
    ],
)
def test_a_fault_is_named_with_its_place(text: str, said: str) -> None:
    with pytest.raises(ConventionsError, match=r"c\.yaml") as error:
        parse(text.encode(), "c.yaml")
    assert said in str(error.value)


def test_an_empty_file_means_no_conventions() -> None:
    assert parse(b"", "c.yaml").names == {} == parse(b"approver:\n", "c.yaml").names


def test_the_plugin_reads_a_file_of_the_house_at_its_start(tmp_path: Path) -> None:
    house = tmp_path / "house.yaml"
    house.write_text("approver: [sign_off]\n")
    settings = PluginSettings.from_env({**SETTINGS, "LINEAGE_CONVENTIONS": str(house)})
    assert settings.conventions.names == {"sign_off": "approver"}
    assert PluginSettings.from_env(SETTINGS).conventions is conventions.shipped()
    house.write_text("approver: [sign_off]\nsign: [x]\n")
    for path in (str(house), str(tmp_path / "none.yaml")):
        with pytest.raises(PluginSettingsError, match="LINEAGE_CONVENTIONS"):
            PluginSettings.from_env({**SETTINGS, "LINEAGE_CONVENTIONS": path})


def test_a_file_that_holds_more_than_names_is_refused(tmp_path: Path) -> None:
    (tmp_path / "large.yaml").write_bytes(b"#" * 70_000)
    with pytest.raises(ConventionsError, match="larger"):
        conventions.load(tmp_path / "large.yaml")
