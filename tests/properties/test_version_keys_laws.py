"""What questions read off the key of a version by its separators is what its parts say, for any text in them."""

from hypothesis import given
from hypothesis import strategies as st

from graph_schema import names
from graph_schema.names import Name
from lineage_service.queries.versions import created_micros, is_undated, model_of, undated
from tests.properties.test_names_laws import created, text

kinds = st.sampled_from(["model", "prompt"])


@given(kinds, text, text, text, created)
def test_a_versions_model_and_creation_are_read_off_its_key(
    kind: str, registry: str, name: str, number: str, born: str
) -> None:
    key = names.make(Name(f"{kind}_version", (registry, name, number, born)))
    assert model_of(key) == names.make(Name(kind, (registry, name)))
    assert undated(key) == names.make(Name(f"{kind}_version", (registry, name, number, "?")))
    assert created_micros(key) == 1000 * (names.parse(key).created_ms or 0)
    assert is_undated(key) == (born == "?")
