import hashlib

from collectors.mlflow.conventions import shipped
from collectors.mlflow.runtime import fingerprint, packages_digest, python_of, runtime

REQUIREMENTS = "mlflow==3.17.2\n# made by mlflow\n\nscikit-learn==1.9.1  # pinned\n"


def test_one_environment_has_one_fingerprint_whoever_tells_its_parts() -> None:
    by_tags = runtime({"lineage.runtime.python": "3.11.7", "lineage.runtime.gpu": "A100"}, [], {}, shipped())
    by_names = runtime({}, [["python_version", "3.11.7"], ["gpu_type", "A100"]], {}, shipped())
    assert by_tags == by_names
    assert by_tags is not None
    plain = hashlib.sha256(b'{"gpu":"A100","python":"3.11.7"}').hexdigest()
    assert by_tags == {"digest": f"sha256:{plain}", "python": "3.11.7", "gpu": "A100"}


def test_what_was_measured_comes_before_what_was_written_down() -> None:
    files = {"python_env.yaml": "python: 3.12.1\n"}
    named = [["python_version", "3.9"]]
    assert (runtime({"lineage.runtime.python": "3.11.7"}, named, files, shipped()) or {})["python"] == "3.11.7"
    assert (runtime({}, named, files, shipped()) or {})["python"] == "3.12.1"
    assert (runtime({}, named, {}, shipped()) or {})["python"] == "3.9"


def test_of_an_unknown_environment_nothing_is_said() -> None:
    assert runtime({}, [["C", "1"]], {}, shipped()) is None


def test_packages_are_one_digest_whatever_their_order_and_comments() -> None:
    other = "scikit-learn==1.9.1\nmlflow==3.17.2\n"
    assert packages_digest({"requirements.txt": REQUIREMENTS}) == packages_digest({"requirements.txt": other})
    assert packages_digest({"requirements.txt": "mlflow==3.17.1\n"}) != packages_digest({"requirements.txt": other})
    assert packages_digest({"requirements.txt": "# nothing\n", "conda.yaml": "- numpy=2\n"}) is not None
    assert packages_digest({"requirements.txt": "\n"}) is None


def test_python_is_read_from_the_files_of_a_model() -> None:
    assert python_of({"python_env.yaml": "python: 3.11.7\nbuild_dependencies:\n- pip==24\n"}) == "3.11.7"
    assert python_of({"conda.yaml": "dependencies:\n- python=3.10.4\n- pip\n"}) == "3.10.4"
    assert python_of({"conda.yaml": "dependencies:\n- python-dateutil=2.9\n"}) is None


def test_more_knowledge_is_another_fingerprint() -> None:
    assert fingerprint({"python": "3.11"}) != fingerprint({"python": "3.11", "os": "debian 12 x86_64"})
