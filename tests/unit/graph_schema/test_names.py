"""Node keys: their forms, what is encoded in them, what is refused, and how datasets of several worlds meet."""

import time
import unicodedata

import pytest

from graph_schema import names
from graph_schema.kinds import Kind
from graph_schema.names import Name, NameSyntaxError

COMBINING_ACUTE = "\u0301"

EXAMPLES = [
    (names.repository("https://github.com/acme/credit"), "repository:https://github.com/acme/credit"),
    (names.commit("9f8c"), "commit:9f8c"),
    (names.dataset("s3://lake", "credit/train.parquet"), "dataset:s3://lake::credit/train.parquet"),
    (names.dataset_version("s3://lake", "credit", "v1"), "dataset_version:s3://lake::credit@v1"),
    (names.column("postgres://db:5432", "a.b.c", "income"), "column:postgres://db:5432::a.b.c::income"),
    (names.job("airflow-prod", "dag.task"), "job:airflow-prod::dag.task"),
    (names.run("0194-abcd"), "run:0194-abcd"),
    (names.runtime("ab12"), "runtime:ab12"),
    (names.model("mlflow-prod", "credit"), "model:mlflow-prod::credit"),
    (names.model("mlflow-prod/risk", "eu/credit"), "model:mlflow-prod/risk::eu/credit"),
    (names.model_version("mlflow-prod", "credit", "3", 17), "model_version:mlflow-prod::credit/3@17"),
    (names.model_version("mlflow-prod", "eu/credit", "3", None), "model_version:mlflow-prod::eu/credit/3@?"),
    (names.prompt("mlflow-prod", "greet"), "prompt:mlflow-prod::greet"),
    (names.prompt_version("mlflow-prod", "greet", "2", 0), "prompt_version:mlflow-prod::greet/2@0"),
    (names.logged_model("mlflow-prod", "m-4f1c"), "logged_model:mlflow-prod::m-4f1c"),
    (names.target("production", "eu-west-1"), "target:production/eu-west-1"),
    (names.change("CHG-7"), "change:CHG-7"),
    (names.validation("v-1"), "validation:v-1"),
    (names.experiment("x-1"), "experiment:x-1"),
    (names.person("p_7Q2"), "person:p_7Q2"),
    (names.service_account("s_9K"), "service_account:s_9K"),
    (names.document("cd34"), "document:cd34"),
    (names.incident("INC-1"), "incident:INC-1"),
    (names.report("r-1"), "report:r-1"),
    (names.source("mlflow", "prod/eu"), "source:mlflow/prod/eu"),
]


@pytest.mark.parametrize(("made", "key"), EXAMPLES)
def test_each_kind_has_its_fixed_form_and_parses_back(made: str, key: str) -> None:
    assert made == key
    assert names.make(names.parse(key)) == key
    assert str(names.parse(key)) == key
    assert names.canonical(key) == key
    assert names.kind_of(key) == key.partition(":")[0]


def test_every_kind_of_node_has_a_key_and_an_example() -> None:
    assert set(names.KINDS) == {kind.word for kind in Kind} == {names.kind_of(key) for _, key in EXAMPLES}


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("", ""),
        ("plain-1.2_x/y", "plain-1.2_x/y"),
        ("100%", "100%25"),
        ("a@b", "a%40b"),
        ("a:b", "a:b"),
        ("a::b", "a:%3Ab"),
        ("a:::b", "a:%3A:b"),
        ("a::::b", "a:%3A:%3Ab"),
        (":", "%3A"),
        (":a", "%3Aa"),
        ("a:", "a%3A"),
        ("::", "%3A%3A"),
        ("a\nb", "a%0Ab"),
        ("\x00\x1f\x7f", "%00%1F%7F"),
        ("\x80\x9f", "%C2%80%C2%9F"),
        ("\u2028\u2029", "%E2%80%A8%E2%80%A9"),
        ("z\u00fcrich", "z\u00fcrich"),
        ("\U0001f600", "\U0001f600"),
        # e and a combining accent are not NFC; the letter stays, the accent is encoded.
        ("e" + COMBINING_ACUTE, "e%CC%81"),
        # The Angstrom sign is never NFC.
        ("\u212b", "%E2%84%AB"),
        # x takes no accent, so the two are NFC as they are.
        ("x" + COMBINING_ACUTE, "x" + COMBINING_ACUTE),
        # Marks in the wrong order: dot above (230), then dot below (220).
        ("q\u0307\u0323", "q\u0307%CC%A3"),
        # A mark of the same class stands between, so the accent cannot reach the letter.
        ("a\u030d\u0301\u212b", "a\u030d\u0301%E2%84%AB"),
        # Jamo compose to a syllable, though both are starters.
        ("\u1100\u1161", "\u1100%E1%85%A1"),
        # What was encoded ends in a hex digit, which may itself take an accent.
        (":" + COMBINING_ACUTE, "%3A%CC%81"),
        ("\u212b" + COMBINING_ACUTE, "%E2%84%AB" + COMBINING_ACUTE),
        # NFC, though the mark sorts before one that the letter holds.
        ("\u1e9b\u0323", "\u1e9b\u0323"),
    ],
)
def test_a_part_is_encoded_where_it_could_be_mistaken_or_changed(text: str, encoded: str) -> None:
    assert names.encode_part(text) == encoded
    assert names.decode_part(encoded) == text
    assert unicodedata.is_normalized("NFC", encoded)


def test_a_slash_is_encoded_where_it_separates_parts() -> None:
    assert names.encode_part("a/b", slash=True) == "a%2Fb"
    assert names.dataset_version("n/s", "a/b", "c/d") == "dataset_version:n/s::a/b@c%2Fd"
    assert names.model_version("r/w", "a/b", "c/d", 5) == "model_version:r/w::a/b/c%2Fd@5"
    assert names.target("a/b", "c/d") == "target:a%2Fb/c%2Fd"
    assert names.source("a/b", "c/d") == "source:a%2Fb/c/d"


def test_empty_parts_have_keys_too() -> None:
    assert names.column("", "", "") == "column:::::"
    assert names.parse("column:::::") == Name("column", ("", "", ""))
    assert names.parse("model_version:::/@?") == Name("model_version", ("", "", "", "?"))
    assert names.canonical("dataset:::") == "dataset:::"


def test_the_creation_time_of_a_version_is_a_number_or_unknown() -> None:
    assert names.parse("model_version:r::m/3@17").created_ms == 17
    assert names.parse("model_version:r::m/3@?").created_ms is None
    assert names.parse("prompt_version:r::m/3@0").created_ms == 0
    assert names.parse("run:17").created_ms is None


@pytest.mark.parametrize("created", [-1, 2**53])
def test_a_creation_time_out_of_range_is_refused(created: int) -> None:
    with pytest.raises(NameSyntaxError, match="milliseconds since 1970"):
        names.model_version("r", "m", "1", created)


@pytest.mark.parametrize(
    "name",
    [
        Name("run", ()),
        Name("run", ("a", "b")),
        Name("nothing", ("a",)),
        Name("model_version", ("r", "m", "1", "now")),
        Name("model_version", ("r", "m", "1", "01")),
        Name("model_version", ("r", "m", "1", "")),
        Name("run", ("\ud800",)),
    ],
)
def test_parts_that_make_no_key_are_refused(name: Name) -> None:
    with pytest.raises(NameSyntaxError):
        names.make(name)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "kind of node"),
        ("run", None),
        ("nothing:a", "kind of node"),
        ("Run:a", "kind of node"),
        ("dataset:a", "NAMESPACE::NAME"),
        ("dataset:a::b::c", "NAMESPACE::NAME"),
        ("column:a::b", "NAMESPACE::NAME::FIELD"),
        ("dataset_version:a::b", "NAMESPACE::NAME@VERSION"),
        ("model_version:r::m/3", "CREATED_MS"),
        ("model_version:credit/3", "CREATED_MS"),
        ("model_version:r::m@3", "CREATED_MS"),
        ("model_version:r::m/3@soon", "creation time"),
        ("model_version:r::m/3@07", "creation time"),
        ("target:a", "ENVIRONMENT/REGION"),
        ("run:%41", "canonical form"),
        ("run:a%2fb", "canonical form"),
        ("run:a%2Fb", "canonical form"),
        ("run:a@b", "canonical form"),
        ("run:a\n", "canonical form"),
        ("run:e" + COMBINING_ACUTE, "canonical form"),
        ("run:%", "plain one is written %25"),
        ("run:%4", "plain one is written %25"),
        ("run:%zz", "plain one is written %25"),
        ("run:%FF", "not UTF-8"),
        ("run:%C0%80", "not UTF-8"),
        ("run:%ED%A0%80", "not UTF-8"),
        ("run:\ud800", "surrogate"),
        ("target:a/b/c", "canonical form"),
        ("dataset:a:::b", "canonical form"),
        ("job:a::b:", "canonical form"),
        ("model:a::b::c", "NAMESPACE::NAME"),
        ("model_version:a::b::c/3@?", "canonical form"),
        ("dataset_version:a::b@c@d", "canonical form"),
    ],
)
def test_a_text_that_is_no_canonical_key_is_refused(text: str, problem: str | None) -> None:
    with pytest.raises(NameSyntaxError, match=problem):
        names.parse(text)


def test_the_error_of_a_long_key_is_short() -> None:
    with pytest.raises(NameSyntaxError) as refusal:
        names.parse("dataset:" + "x" * 100_000)
    assert len(str(refusal.value)) < 400


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("Run:abc", "run:abc"),
        ("run:abc\n", "run:abc"),
        ("run:abc ", "run:abc "),
        ("run:a%2fb", "run:a/b"),
        ("run:%41", "run:A"),
        ("run:100%", "run:100%25"),
        ("run:100%25", "run:100%25"),
        ("run::a", "run:%3Aa"),
        ("run:e" + COMBINING_ACUTE, "run:e%CC%81"),
        ("repository:git@github.com:acme/credit", "repository:git%40github.com:acme/credit"),
        ("dataset:abfs://lake@acme.dfs.core.windows.net::a", "dataset:abfss://lake%40acme.dfs.core.windows.net::a"),
        ("dataset:s3a://lake/::a", "dataset:s3://lake::a"),
        ("dataset_version:file://localhost::/a/@v", "dataset_version:file::/a@v"),
        ("column:s3n://lake::a::b", "column:s3://lake::a::b"),
        ("job:s3a://lake/::a", "job:s3a://lake/::a"),
        ("model_version:r::a@b/3@17", "model_version:r::a%40b/3@17"),
        ("model:team:eu::m", "model:team:eu::m"),
    ],
)
def test_what_people_type_is_mended(typed: str, key: str) -> None:
    assert names.canonical(typed) == key
    assert names.canonical(key) == key


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("dataset:a::b::c", "more than one way"),
        ("dataset:a:::b", "more than one way"),
        ("dataset_version:a::b@c@d", "more than one way"),
        ("target:a/b/c", "more than one way"),
        ("model_version:a::b::c/3@?", "more than one way"),
        ("dataset:a", "NAMESPACE::NAME"),
        ("model_version:credit/3", "CREATED_MS"),
        ("model_version:r::credit/3", "CREATED_MS"),
        ("credit", "kind of node"),
        ("run:%FF", "not UTF-8"),
    ],
)
def test_what_could_mean_two_things_is_not_guessed(typed: str, problem: str) -> None:
    with pytest.raises(NameSyntaxError, match=problem):
        names.canonical(typed)


def test_a_letter_with_very_many_marks_is_encoded_in_little_time() -> None:
    text = "a" + "\u0323\u0301" * 30_000
    begin = time.process_time()
    assert names.decode_part(names.encode_part(text)) == text
    assert time.process_time() - begin < 5


@pytest.mark.parametrize(
    ("given", "known"),
    [
        (("s3a://lake", "a/b"), ("s3://lake", "a/b")),
        (("s3n://lake/", "a/b/"), ("s3://lake", "a/b/")),
        (("S3://lake", "a"), ("s3://lake", "a")),
        (("gcs://lake", "a"), ("gs://lake", "a")),
        (("abfs://c@acme.dfs.core.windows.net/", "a"), ("abfss://c@acme.dfs.core.windows.net", "a")),
        (("wasb://c@acme.dfs.core.windows.net", "a"), ("wasbs://c@acme.dfs.core.windows.net", "a")),
        (("file", "/a/b"), ("file", "/a/b")),
        (("file:", "/a/b/"), ("file", "/a/b")),
        (("file:/", "/a/b"), ("file", "/a/b")),
        (("file://", "/a/b"), ("file", "/a/b")),
        (("file:///", "/a/b"), ("file", "/a/b")),
        (("file://localhost", "/a/b"), ("file", "/a/b")),
        (("FILE://LocalHost/", "/"), ("file", "/")),
        (("file://nas7", "/a"), ("file://nas7", "/a")),
        (("file:/srv/warehouse", "db.t"), ("file:/srv/warehouse", "db.t")),
        (("file:///srv/warehouse/", "db.t"), ("file:/srv/warehouse", "db.t")),
        (("file://localhost/srv/warehouse", "db.t"), ("file:/srv/warehouse", "db.t")),
        (("file:////nas7/share", "t"), ("file:/nas7/share", "t")),
        (("hdfs://nn:8020", "/a/b"), ("hdfs://nn:8020", "a/b")),
        (("hdfs://nn:8020/", "a/b/"), ("hdfs://nn:8020", "a/b")),
        (("hdfs://nn:8020", "/"), ("hdfs://nn:8020", "/")),
        (("hdfs://nn:8020/warehouse", "/x"), ("hdfs://nn:8020/warehouse", "/x")),
        (("dbfs:/", "/mnt/a"), ("dbfs", "mnt/a")),
        (("postgresql://db:5432", "a.b.c"), ("postgres://db:5432", "a.b.c")),
        (("postgres://me:secret@db:5432", "a.b.c"), ("postgres://db:5432", "a.b.c")),
        (("mysql://me@db", "a.b"), ("mysql://db", "a.b")),
        (("nats://me:secret@db", "a"), ("nats://db", "a")),
        (("nats://me@db", "a"), ("nats://me@db", "a")),
        (("bigquery", "p.d.t"), ("bigquery", "p.d.t")),
        (("arn:aws:glue:eu-west-1:123", "table/a/b"), ("arn:aws:glue:eu-west-1:123", "table/a/b")),
        (("my/namespace/", "n"), ("my/namespace", "n")),
        (("Team:A", "n"), ("Team:A", "n")),
        (("", ""), ("", "")),
        (("/", "n"), ("/", "n")),
    ],
)
def test_spellings_of_a_dataset_meet_only_where_they_certainly_mean_one(
    given: tuple[str, str], known: tuple[str, str]
) -> None:
    assert names.dataset_name(*given) == known
    assert names.dataset_name(*known) == known


@pytest.mark.parametrize(
    ("uri", "known"),
    [
        ("s3://bucket/key", ("s3://bucket", "key")),
        ("s3a://bucket/a/b/", ("s3://bucket", "a/b")),
        ("s3://bucket//key", ("s3://bucket", "/key")),
        ("s3://bucket", ("s3://bucket", "/")),
        ("s3://bucket/", ("s3://bucket", "/")),
        ("s3://bucket/a%20b?c#d", ("s3://bucket", "a%20b?c#d")),
        ("gs://bucket/a/b", ("gs://bucket", "a/b")),
        ("abfss://c@acme.dfs.core.windows.net/a/b", ("abfss://c@acme.dfs.core.windows.net", "a/b")),
        ("hdfs://nn:8020/a/b", ("hdfs://nn:8020", "a/b")),
        ("dbfs:/mnt/a", ("dbfs", "mnt/a")),
        ("file:///a/b", ("file", "/a/b")),
        ("file:/a/b/", ("file", "/a/b")),
        ("file://localhost/a", ("file", "/a")),
        ("file://nas7/a", ("file://nas7", "/a")),
        ("file:///a%20b/%C3%BC", ("file", "/a b/\u00fc")),
        ("file:///a%FF", ("file", "/a%FF")),
        ("file:///", ("file", "/")),
        ("/a/b", ("file", "/a/b")),
        ("train.csv", ("file", "train.csv")),
        ("C:\\data\\train.csv", ("file", "C:\\data\\train.csv")),
        ("postgres://db:5432/a.b.c", ("postgres://db:5432", "a.b.c")),
        ("postgresql://me:s%40cret@db:5432/a.b.c?sslmode=off", ("postgres://db:5432", "a.b.c")),
        ("duckdb://credit.duckdb", ("duckdb://credit.duckdb", "/")),
        ("bigquery:p.d.t", ("bigquery", "p.d.t")),
        ("https://me:secret@data.example/a/?v=1#top", ("https://data.example", "a/?v=1")),
    ],
)
def test_an_address_gives_the_name_under_which_producers_know_the_dataset(uri: str, known: tuple[str, str]) -> None:
    assert names.dataset_from_uri(uri) == known
    assert names.dataset_name(*known) == known
