"""Business hours against the wall clock of a zone: nights, holidays, and days clocks are changed.

2027 in New York: clocks skip 02:00 to 03:00 on Sunday 14 March, and show 01:00 to 02:00 twice on
Sunday 7 November. 4 January 2027 is a Monday.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.deciders.business_hours import is_open
from services.deciders.local_time import WEEKDAYS, parse_clock

NEW_YORK = "America/New_York"
OFFICE = {"monday": {"start": "09:00", "end": "18:00"}, "tuesday": None}
NIGHT = {"friday": {"start": "18:00", "end": "02:00"}}


def local(text: str, zone: str = NEW_YORK, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def opened(hours: Any, text: str, *holidays: str, fold: int = 0) -> bool:
    return is_open(hours, holidays, NEW_YORK, local(text, fold=fold))


@pytest.mark.parametrize(
    ("at", "is_there"),
    [
        ("2027-01-04T08:59:59.999999", False), ("2027-01-04T09:00", True),
        ("2027-01-04T17:59:59.999999", True), ("2027-01-04T18:00", False),
        ("2027-01-05T12:00", False), ("2027-01-06T12:00", False),
    ],
)  # fmt: skip
def test_a_window_includes_its_start_and_not_its_end(at: str, is_there: bool) -> None:
    assert opened(OFFICE, at) is is_there


def test_hours_are_in_the_time_zone_of_the_property() -> None:
    noon = datetime(2027, 1, 4, 22, 30, tzinfo=UTC)
    assert is_open(OFFICE, (), NEW_YORK, noon)
    assert not is_open(OFFICE, (), "Europe/Berlin", noon)
    assert is_open(OFFICE, (), "America/Los_Angeles", datetime(2027, 1, 5, 1, 59, tzinfo=UTC))


@pytest.mark.parametrize(
    ("at", "is_there"),
    [
        ("2027-01-08T17:59", False), ("2027-01-08T18:00", True), ("2027-01-08T23:59", True),
        ("2027-01-09T00:00", True), ("2027-01-09T01:59:59", True), ("2027-01-09T02:00", False),
        ("2027-01-09T18:30", False), ("2027-01-08T01:00", False),
    ],
)  # fmt: skip
def test_a_window_past_midnight_continues_on_the_next_day(at: str, is_there: bool) -> None:
    assert opened(NIGHT, at) is is_there


def test_a_window_of_sunday_night_continues_on_monday_morning() -> None:
    sunday = {"sunday": {"start": "22:00", "end": "06:00"}}
    assert opened(sunday, "2027-01-04T05:59")
    assert not opened(sunday, "2027-01-04T06:00")


def test_equal_times_are_a_whole_day() -> None:
    monday = {"monday": {"start": "07:00", "end": "07:00"}}
    assert not opened(monday, "2027-01-04T06:59")
    assert opened(monday, "2027-01-04T07:00")
    assert opened(monday, "2027-01-05T06:59")
    assert not opened(monday, "2027-01-05T07:00")


def test_no_window_begins_on_a_holiday_and_the_one_of_the_night_before_ends_as_usual() -> None:
    assert not opened(OFFICE, "2027-01-04T12:00", "2027-01-04")
    assert opened(OFFICE, "2027-01-04T12:00", "2027-01-05", "2026-01-04")
    assert opened(NIGHT, "2027-01-09T01:00", "2027-01-09")
    assert not opened(NIGHT, "2027-01-09T01:00", "2027-01-08")


def test_a_holiday_begins_and_ends_at_midnight_of_the_property() -> None:
    assert opened(None, "2027-07-03T23:59:59", "2027-07-04")
    assert not opened(None, "2027-07-04T00:00", "2027-07-04")
    assert not opened(None, "2027-07-04T23:59:59", "2027-07-04")
    assert opened(None, "2027-07-05T00:00", "2027-07-04")


def test_without_hours_it_is_always_open() -> None:
    assert opened(None, "2027-01-04T03:00")
    assert is_open(None, (), None, datetime(2027, 1, 4, tzinfo=UTC))
    closed: dict[str, Any] = dict.fromkeys(WEEKDAYS)
    assert not opened(closed, "2027-01-04T12:00")


@pytest.mark.parametrize("zone", [None, "", "Mars/Olympus", "../etc/passwd", "\x00"])
def test_with_an_unknown_zone_it_is_never_open(zone: str | None) -> None:
    every_day = {day: {"start": "00:00", "end": "00:00"} for day in WEEKDAYS}
    assert not is_open(every_day, (), zone, datetime(2027, 1, 4, 12, tzinfo=UTC))


@pytest.mark.parametrize(
    "span",
    [
        "09:00-18:00", [], 9, {"start": "09:00"}, {"start": "9:00", "end": "18:00"},
        {"start": None, "end": None}, {"start": "09:00", "end": "24:00"},
        {"start": "09:00", "end": "18:00Z"}, {"start": "T0900", "end": "18:00"},
    ],
)  # fmt: skip
def test_a_day_with_malformed_hours_is_closed(span: Any) -> None:
    assert not opened({"monday": span}, "2027-01-04T12:00")


@pytest.mark.parametrize("text", ["00:00", "09:05", "23:59"])
def test_a_time_has_the_form_hh_mm(text: str) -> None:
    assert f"{parse_clock(text):%H:%M}" == text


SPRING = {"sunday": {"start": "01:00", "end": "02:30"}}
SPRING_LATE = {"sunday": {"start": "02:30", "end": "05:00"}}


def test_a_skipped_time_is_reached_when_the_clock_jumps() -> None:
    assert opened(SPRING, "2027-03-14T01:59")
    assert not opened(SPRING, "2027-03-14T03:00")
    assert not opened(SPRING_LATE, "2027-03-14T01:59")
    assert opened(SPRING_LATE, "2027-03-14T03:00")


def test_a_window_within_the_skipped_hour_never_opens() -> None:
    gone = {"sunday": {"start": "02:10", "end": "02:50"}}
    assert _spans(gone, "2027-03-14T00:00", hours=6) == []


AUTUMN = {"sunday": {"start": "00:30", "end": "01:30"}}
AUTUMN_LATE = {"sunday": {"start": "01:30", "end": "03:00"}}


def test_a_time_that_comes_twice_is_reached_the_first_time() -> None:
    assert opened(AUTUMN, "2027-11-07T01:29", fold=0)
    assert not opened(AUTUMN, "2027-11-07T01:30", fold=0)
    assert not opened(AUTUMN, "2027-11-07T01:15", fold=1)
    assert opened(AUTUMN_LATE, "2027-11-07T01:30", fold=0)
    assert opened(AUTUMN_LATE, "2027-11-07T01:10", fold=1)
    assert not opened(AUTUMN_LATE, "2027-11-07T01:10", fold=0)


def test_no_window_opens_twice_on_the_day_of_a_clock_change() -> None:
    assert _spans(AUTUMN, "2027-11-07T00:00", hours=6) == [timedelta(hours=1)]
    assert _spans(AUTUMN_LATE, "2027-11-07T00:00", hours=6) == [timedelta(hours=2, minutes=30)]
    assert _spans(SPRING, "2027-03-14T00:00", hours=6) == [timedelta(hours=1)]
    assert _spans(SPRING_LATE, "2027-03-14T00:00", hours=6) == [timedelta(hours=2)]
    night = {"saturday": {"start": "20:00", "end": "04:00"}}
    assert _spans(night, "2027-03-13T12:00", hours=24) == [timedelta(hours=7)]
    assert _spans(night, "2027-11-06T12:00", hours=24) == [timedelta(hours=9)]


def _spans(span: Any, start: str, *, hours: int) -> list[timedelta]:
    """Return the lengths of the open spans in the `hours` after `start`, in whole minutes."""
    spans: list[timedelta] = []
    at, was = local(start), False
    for _ in range(hours * 60):
        now = is_open(span, (), NEW_YORK, at)
        if now and not was:
            spans.append(timedelta())
        if now:
            spans[-1] += timedelta(minutes=1)
        at, was = at + timedelta(minutes=1), now
    return spans


@given(
    start=st.times(), end=st.times(),
    minutes=st.integers(0, 3 * 365 * 24 * 60),
    zone=st.sampled_from([NEW_YORK, "Australia/Lord_Howe", "America/Phoenix", "Asia/Kathmandu",
                          "Pacific/Apia", "Africa/Casablanca", "UTC"]),
)  # fmt: skip
def test_a_daily_window_depends_only_on_the_wall_clock(
    start: Any, end: Any, minutes: int, zone: str
) -> None:
    """On days without a clock change, the rule can be stated without instants."""
    span = {"start": f"{start:%H:%M}", "end": f"{end:%H:%M}"}
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    wall = at.astimezone(ZoneInfo(zone))
    day = timedelta(days=1)
    if any((at + n * day).astimezone(ZoneInfo(zone)).utcoffset() != wall.utcoffset()
           for n in (-2, -1, 1, 2)):  # fmt: skip
        return
    now = f"{wall:%H:%M}"
    if span["start"] < span["end"]:
        expected = span["start"] <= now < span["end"]
    else:
        expected = now >= span["start"] or now < span["end"]
    assert is_open(dict.fromkeys(WEEKDAYS, span), (), zone, at) is expected
