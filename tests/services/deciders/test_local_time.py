"""Local times of tours, also on days on which the clock changes."""

from datetime import date, time

from services.deciders.local_time import When


def test_the_fold_selects_one_of_two_equal_local_times() -> None:
    first, second = (
        When(date(2026, 11, 1), time(1, 30), "America/New_York", fold).instant for fold in (0, 1)
    )
    assert (second - first).total_seconds() == 3600


def test_a_tour_after_the_clock_change_has_the_offset_of_its_day() -> None:
    assert When(date(2026, 3, 7), time(14), "America/New_York").instant.hour == 19
    assert When(date(2026, 3, 9), time(14), "America/New_York").instant.hour == 18
