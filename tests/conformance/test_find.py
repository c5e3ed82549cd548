"""Names are found by kind and beginning, page by page, in one order everywhere."""

from graph_schema import names
from graph_schema.kinds import Kind
from lineage_service.store.protocol import Cut, Store
from tests.conformance.log import EVER, NOW, PLENTY, Log, mention, run

RUN = int(Kind.RUN)


def found_in(
    store: Store, prefix: str, kind: int = RUN, *, after: str | None = None, limit: int = PLENTY, cut: Cut = NOW
) -> list[str]:
    """Return the keys found."""
    with store.read() as reader:
        return reader.find(kind, prefix, after, limit, cut)


def test_keys_are_found_by_how_they_begin(store: Store) -> None:
    Log(store).write(mention(1, run("apple"), run("apricot"), run("banana"), run("ap")))
    assert found_in(store, "run:ap") == [run("ap"), run("apple"), run("apricot")]
    assert found_in(store, "run:apple") == [run("apple")]
    assert found_in(store, "run:x") == []


def test_an_empty_beginning_finds_the_whole_kind(store: Store) -> None:
    Log(store).write(mention(1, run("b"), run("a"), names.dataset("s3://lake", "a")))
    assert found_in(store, "") == [run("a"), run("b")]
    assert found_in(store, "run:") == [run("a"), run("b")]


def test_only_the_kind_asked_for_is_found(store: Store) -> None:
    data, dated = names.dataset("s3://lake", "a"), names.dataset_version("s3://lake", "a", "1")
    Log(store).write(mention(1, data, dated, run("s3")))
    assert found_in(store, "dataset", int(Kind.DATASET)) == [data]
    assert found_in(store, "dataset", int(Kind.DATASET_VERSION)) == [dated]
    assert found_in(store, "dataset") == []


def test_pages_follow_each_other_without_hole_or_repeat(store: Store) -> None:
    keys = sorted(run(f"{number:03d}") for number in range(25))
    Log(store).write(mention(1, *reversed(keys)))
    pages: list[list[str]] = [found_in(store, "run:", limit=10)]
    while pages[-1]:
        pages.append(found_in(store, "run:", after=pages[-1][-1], limit=10))
    assert [len(page) for page in pages] == [10, 10, 5, 0]
    assert [key for page in pages for key in page] == keys


def test_a_page_may_begin_after_a_key_that_is_not_there(store: Store) -> None:
    Log(store).write(mention(1, run("a"), run("c")))
    assert found_in(store, "run:", after=run("b")) == [run("c")]
    assert found_in(store, "run:", after=run("z")) == []


def test_percent_and_underscore_mean_themselves(store: Store) -> None:
    odd = [run(name) for name in ("a_b", "axb", "a%b", "a*b", "a?b", "a[b")]
    Log(store).write(mention(1, *odd))
    assert found_in(store, "run:a_") == [run("a_b")]
    assert found_in(store, "run:a%") == [run("a%b")]
    assert found_in(store, "run:a*") == [run("a*b")]
    assert found_in(store, "run:a[") == [run("a[b")]


def test_capitals_are_other_letters(store: Store) -> None:
    Log(store).write(mention(1, run("Ab"), run("ab")))
    assert found_in(store, "run:a") == [run("ab")]
    assert found_in(store, "run:A") == [run("Ab")]


def test_keys_stand_in_the_order_of_code_points(store: Store) -> None:
    keys = [run(name) for name in ("Z", "a", "z", "ä", "é", "ﬁ", "日", "\ufffd", "😀")]
    Log(store).write(mention(1, *reversed(keys)))
    assert found_in(store, "run:") == sorted(keys)


def test_a_beginning_of_any_script_is_found(store: Store) -> None:
    keys = [run(name) for name in ("käufe", "käufer", "kaufen", "😀 a", "😀 b")]
    Log(store).write(mention(1, *keys))
    assert found_in(store, "run:käu") == [run("käufe"), run("käufer")]
    assert found_in(store, "run:😀") == [run("😀 a"), run("😀 b")]


def test_keys_are_found_from_their_first_mention_on(store: Store) -> None:
    log = Log(store)
    log.write(mention(9, run("a")), mention(1, run("b")))
    log.write(mention(1, run("a")))
    assert found_in(store, "run:", cut=Cut(EVER, 0)) == [run("a")]
    assert found_in(store, "run:", cut=Cut(EVER, 1)) == [run("a"), run("b")]


def test_no_more_are_found_than_asked_for(store: Store) -> None:
    Log(store).write(mention(1, *(run(number) for number in range(9))))
    assert found_in(store, "run:", limit=2) == [run(0), run(1)]
    assert found_in(store, "run:", limit=0) == []
