"""Local times of tours, also on days on which the clock changes."""

from datetime import UTC, date, datetime, time

import pytest

from services.deciders.decider import Refused
from services.deciders.local_time import When, load_zone, parse_clock, to_instant

NEW_YORK = "America/New_York"


def test_the_fold_selects_one_of_two_equal_local_times() -> None:
    first, second = (
        When(date(2026, 11, 1), time(1, 30), "America/New_York", fold).instant for fold in (0, 1)
    )
    assert (second - first).total_seconds() == 3600


def test_a_tour_after_the_clock_change_has_the_offset_of_its_day() -> None:
    assert When(date(2026, 3, 7), time(14), "America/New_York").instant.hour == 19
    assert When(date(2026, 3, 9), time(14), "America/New_York").instant.hour == 18


@pytest.mark.parametrize("day", [date(2000, 1, 1), date(2100, 12, 31)])
def test_the_first_and_the_last_year_of_tours_are_valid(day: date) -> None:
    assert to_instant(day, time(14), "UTC").date() == day


@pytest.mark.parametrize("day", [date(1999, 12, 31), date(2101, 1, 1)])
def test_a_year_that_no_tour_has_is_refused(day: date) -> None:
    with pytest.raises(Refused, match=f"{day} is not between 2000 and 2100") as caught:
        to_instant(day, time(14), "UTC")
    assert (caught.value.code, caught.value.status) == ("invalid_date", 400)


def test_a_local_time_that_the_clock_change_skips_is_refused() -> None:
    with pytest.raises(Refused, match="02:30 does not exist on 2026-03-08") as caught:
        to_instant(date(2026, 3, 8), time(2, 30), NEW_YORK)
    assert (caught.value.code, caught.value.status) == ("no_such_time", 422)


def test_an_unknown_zone_is_refused_with_an_example() -> None:
    for name in ("Mars/Olympus", "America/../Factory", "America/Indiana", "localtime", "Etc/GMT+5"):
        with pytest.raises(Refused, match="use one such as America/New_York") as caught:
            load_zone(name)
        assert (caught.value.code, caught.value.status) == ("unknown_zone", 422)
    assert [load_zone(name).key for name in ("Japan", "Etc/UTC")] == ["Japan", "Etc/UTC"]


def test_a_tour_takes_half_an_hour_and_the_first_of_two_times_unless_stated() -> None:
    when = When(date(2026, 11, 1), time(1, 30), NEW_YORK)
    assert when.event_fields == {
        "tour_date": date(2026, 11, 1), "tour_time": time(1, 30), "time_zone": NEW_YORK,
        "fold": 0, "starts_at": datetime(2026, 11, 1, 5, 30, tzinfo=UTC), "duration_minutes": 30,
    }  # fmt: skip
    assert to_instant(when.tour_date, when.tour_time, NEW_YORK) == when.instant


@pytest.mark.parametrize(
    ("text", "expected"),
    [("00:00", time()), ("09:05", time(9, 5)), ("23:59", time(23, 59)), ("24:00", None),
     ("9:05", None), ("09:60", None), ("09:05:00", None), ("", None), (None, None), (905, None)],
)  # fmt: skip
def test_a_clock_time_has_two_digits_of_hours_and_minutes(
    text: object, expected: time | None
) -> None:
    assert parse_clock(text) == expected
