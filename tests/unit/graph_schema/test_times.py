"""Times: one form is written, every form of RFC 3339 is read, and what is wrong is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph_schema.times import MAX_MICROS, TimeError, format_time, parse_instant, parse_time

CANONICAL = "2026-11-22T23:57:16.123456Z"
CANONICAL_MICROS = 1_795_391_836_123_456
DAY = 86_400_000_000
EPOCH_OF_2017 = 1_483_228_800_000_000


def test_the_canonical_form_is_read_and_written() -> None:
    assert parse_time(CANONICAL) == CANONICAL_MICROS
    assert format_time(CANONICAL_MICROS) == CANONICAL


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2026-11-22T23:57:16Z", "2026-11-22T23:57:16.000000Z"),
        ("2026-11-22t23:57:16z", "2026-11-22T23:57:16.000000Z"),
        ("2026-11-22 23:57:16Z", "2026-11-22T23:57:16.000000Z"),
        ("2026-11-22T23:57:16.1Z", "2026-11-22T23:57:16.100000Z"),
        ("2026-11-22T23:57:16.123Z", "2026-11-22T23:57:16.123000Z"),
        ("2026-11-22T23:57:16.123456789Z", "2026-11-22T23:57:16.123456Z"),
        ("2026-11-22T23:57:59.9999999999999Z", "2026-11-22T23:57:59.999999Z"),
        ("2026-11-22T23:57:16+01:00", "2026-11-22T22:57:16.000000Z"),
        ("2026-11-22T23:57:16.5-05:30", "2026-11-23T05:27:16.500000Z"),
        ("2026-11-22T23:57:16-00:00", "2026-11-22T23:57:16.000000Z"),
        ("2026-01-01T00:30:00+23:59", "2025-12-31T00:31:00.000000Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
        ("1969-12-31T23:30:00-01:00", "1970-01-01T00:30:00.000000Z"),
    ],
)
def test_every_form_of_rfc_3339_is_read(text: str, canonical: str) -> None:
    assert format_time(parse_time(text)) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "2016-12-31T23:59:60Z",
        "2016-12-31T23:59:60.000000Z",
        "2016-12-31T23:59:60.7Z",
        "2017-01-01T08:59:60+09:00",
        "2016-12-31T18:59:60-05:00",
    ],
)
def test_a_leap_second_is_the_last_microsecond_of_its_own_day(text: str) -> None:
    assert parse_time(text) == EPOCH_OF_2017 - 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "RFC 3339"),
        ("yesterday", "RFC 3339"),
        ("2026-11-22", "RFC 3339"),
        ("2026-11-22T23:57:16", "no zone"),
        ("2026-11-22T23:57:16.123456", "no zone"),
        ("2026-11-22T23:57Z", "RFC 3339"),
        ("2026-11-22T23:57:16.Z", "RFC 3339"),
        ("2026-11-22T23:57:16,5Z", "RFC 3339"),
        ("2026-11-22T23:57:16+0100", "RFC 3339"),
        ("2026-11-22T23:57:16+24:00", "RFC 3339"),
        ("2026-11-22T24:00:00Z", "RFC 3339"),
        ("2026-11-22T24:00:00.000000Z", "RFC 3339"),
        ("2026-11-22T23:60:00Z", "RFC 3339"),
        ("2026-11-22T23:57:60Z", "a second that does not exist"),
        ("2026-11-22T23:57:60.000000Z", "a second that does not exist"),
        ("2026-11-22T23:59:61Z", "a second that does not exist"),
        ("2026-02-29T00:00:00Z", "not a day of the calendar"),
        ("2026-02-29T00:00:00.000000Z", "not a day of the calendar"),
        ("2026-13-01T00:00:00Z", "not a day of the calendar"),
        ("0000-01-01T00:00:00Z", "not a day of the calendar"),
        ("1969-12-31T23:59:59.999999Z", "outside 1970 to 9999"),
        ("1970-01-01T00:00:00+00:01", "outside 1970 to 9999"),
        ("9999-12-31T23:59:59-00:01", "outside 1970 to 9999"),
        ("20261122T235716Z", "RFC 3339"),
        ("2026-W47-7T23:57:16Z", "RFC 3339"),
        (" 2026-11-22T23:57:16Z", "RFC 3339"),
        ("2026-11-22T23:57:16.123456Z\n", "RFC 3339"),
        ("\u0662\u0660\u0662\u0666-11-22T23:57:16.123456Z", "RFC 3339"),
        ("2026-11-22T23:57:16.12345\u0666Z", "RFC 3339"),
        ("x" * 10_000, "RFC 3339"),
    ],
)
def test_what_is_no_time_is_refused_with_its_reason(text: str, problem: str) -> None:
    with pytest.raises(TimeError, match=problem) as refusal:
        parse_time(text)
    assert len(str(refusal.value)) < 250


@pytest.mark.parametrize("micros", [-1, MAX_MICROS + 1, 10**30])
def test_an_instant_out_of_range_is_not_written(micros: int) -> None:
    with pytest.raises(TimeError, match="outside 1970 to 9999"):
        format_time(micros)


@given(st.integers(0, MAX_MICROS))
def test_what_is_written_is_read_back(micros: int) -> None:
    assert parse_time(format_time(micros)) == micros


@given(st.integers(0, MAX_MICROS), st.integers(0, MAX_MICROS))
def test_the_order_of_text_is_the_order_of_time(one: int, other: int) -> None:
    assert (format_time(one) < format_time(other)) == (one < other)


@given(st.integers(DAY, MAX_MICROS - DAY), st.integers(-1439, 1439))
def test_an_offset_moves_the_clock_and_not_the_instant(micros: int, offset: int) -> None:
    local = format_time(micros + offset * 60_000_000)
    hours, minutes = divmod(abs(offset), 60)
    assert parse_time(f"{local[:-1]}{'-' if offset < 0 else '+'}{hours:02}:{minutes:02}") == micros


@given(st.integers(0, 26), st.characters(max_codepoint=0x700))
def test_one_changed_character_never_gives_the_same_instant_but_for_the_marks(place: int, character: str) -> None:
    changed = CANONICAL[:place] + character + CANONICAL[place + 1 :]
    same = {CANONICAL, CANONICAL.replace("T", "t"), CANONICAL.replace("T", " "), CANONICAL.replace("Z", "z")}
    try:
        micros = parse_time(changed)
    except TimeError:
        assert changed not in same
    else:
        assert (micros == CANONICAL_MICROS) == (changed in same)


@pytest.mark.parametrize(
    ("text", "zone", "canonical"),
    [
        ("2026-11-22", "UTC", "2026-11-22T00:00:00.000000Z"),
        ("2026-11-22", "Europe/Zurich", "2026-11-21T23:00:00.000000Z"),
        ("2026-07-01", "Europe/Zurich", "2026-06-30T22:00:00.000000Z"),
        ("2026-11-22", "Asia/Kathmandu", "2026-11-21T18:15:00.000000Z"),
        # Clocks went from 00:00 to 01:00: the day began at 01:00 of the new time.
        ("2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00:00.000000Z"),
        # Clocks went from 01:00 back to 00:00: the first of the two midnights begins the day.
        ("2026-11-01", "America/Havana", "2026-11-01T04:00:00.000000Z"),
        ("2026-11-22T10:00:00+01:00", "Asia/Tokyo", "2026-11-22T09:00:00.000000Z"),
    ],
)
def test_a_date_is_its_first_instant_in_the_named_zone(text: str, zone: str, canonical: str) -> None:
    assert format_time(parse_instant(text, zone)) == canonical


@pytest.mark.parametrize(
    ("text", "zone", "problem"),
    [
        ("2026-02-30", "UTC", "not a day of the calendar"),
        ("1970-01-01", "Asia/Tokyo", "outside 1970 to 9999"),
        ("0001-01-01", "Asia/Tokyo", "outside 1970 to 9999"),
        ("2026-11-22", "Europe/Atlantis", "not an IANA time zone"),
        ("2026-11-22", "../../etc/passwd", "not an IANA time zone"),
        ("2026-11-22", "", "not an IANA time zone"),
        ("2026-11-22T10:00:00", "UTC", "no zone"),
        ("yesterday", "UTC", "RFC 3339"),
        ("-1d", "UTC", "RFC 3339"),
    ],
)
def test_what_a_person_typed_wrong_is_explained(text: str, zone: str, problem: str) -> None:
    with pytest.raises(TimeError, match=problem):
        parse_instant(text, zone)
