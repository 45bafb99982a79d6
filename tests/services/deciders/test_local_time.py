"""Local times: on the wall clock of the property's zone, whatever its clocks do."""

from datetime import date, time

from services.deciders.local_time import When


def test_of_two_equal_times_the_fold_says_which() -> None:
    first, second = (
        When(date(2026, 11, 1), time(1, 30), "America/New_York", fold).instant for fold in (0, 1)
    )
    assert (second - first).total_seconds() == 3600


def test_a_tour_in_spring_is_at_the_local_time_of_its_day() -> None:
    assert When(date(2026, 3, 7), time(14), "America/New_York").instant.hour == 19
    assert When(date(2026, 3, 9), time(14), "America/New_York").instant.hour == 18
