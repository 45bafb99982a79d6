"""The limits of dates that visitors send; the forms of dates are in the text cases."""

from datetime import date, datetime

import pytest

from services.deciders.dates import MAX_LENGTH, parse_day, require_day
from services.deciders.decider import Refused

US = ("US", "America/Chicago")


@pytest.mark.parametrize(("year", "is_read"), [
    (1999, False), (2000, True), (2100, True), (2101, False),
])  # fmt: skip
def test_a_date_is_read_from_2000_to_2100(year: int, is_read: bool) -> None:
    day = date(year, 6, 1)
    expected = day if is_read else None
    assert parse_day(day, *US) == expected
    assert parse_day(day.isoformat(), *US) == expected


def test_an_instant_is_not_a_date() -> None:
    assert parse_day(datetime(2036, 6, 1), *US) is None  # noqa: DTZ001 — any datetime


@pytest.mark.parametrize(("excess", "is_read"), [(0, True), (1, False)])
def test_a_text_is_read_up_to_its_longest_length(excess: int, is_read: bool) -> None:
    text = "2036-06-01".ljust(MAX_LENGTH + excess)
    assert (parse_day(text, *US) is not None) is is_read


@pytest.mark.parametrize(("text", "country", "day"), [
    ("12/11/2036", "US", date(2036, 12, 11)), ("11/12/2036", "US", date(2036, 11, 12)),
    ("12/11/2036", "DE", date(2036, 11, 12)), ("11/12/2036", "DE", date(2036, 12, 11)),
    ("13/12/2036", "US", date(2036, 12, 13)), ("12/13/2036", "DE", date(2036, 12, 13)),
])  # fmt: skip
def test_the_number_twelve_is_a_month_and_thirteen_is_not(
    text: str, country: str, day: date
) -> None:
    assert parse_day(text, country, None) == day


def test_a_refused_text_is_shown_up_to_its_hundredth_character() -> None:
    with pytest.raises(Refused) as caught:
        require_day("x" * 300, *US)
    assert (caught.value.code, caught.value.status) == ("invalid_date", 400)
    assert caught.value.message.count("x") == 100
