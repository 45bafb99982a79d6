"""Template values: dates, times and addresses as readable text."""

from datetime import date, time

import pytest

from services.deciders.message_values import (
    TourDetails,
    collect_values,
    format_address,
    format_date,
    format_time,
)
from services.deciders.rendering import VARIABLES


def test_every_variable_has_its_value() -> None:
    tour = TourDetails(date(2026, 5, 14), time(14, 5), "self_guided")
    values = collect_values(
        {"first_name": "Zoë", "last_name": None}, "Maple House", {"street": "12 Oak St"},
        {"tour_link": "https://tour.example", "timezone": "UTC"}, tour,
    )  # fmt: skip
    assert set(values) == set(VARIABLES)
    assert values == {
        "first_name": "Zoë", "last_name": None, "property_name": "Maple House",
        "property_address": "12 Oak St", "tour_link": "https://tour.example",
        "tour_date": "Thursday, May 14, 2026", "tour_time": "2:05 PM",
        "tour_type": "self-guided",
    }  # fmt: skip


def test_without_a_tour_the_tour_variables_have_no_value() -> None:
    values = collect_values({}, "Maple House", {}, {"tour_link": 5}, None)
    assert {name for name in values if values[name]} == {"property_name"}


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ({}, None),
        ({"street": "12 Oak St", "city": "Austin", "state": "TX", "zip": "78701"},
         "12 Oak St, Austin, TX 78701"),
        ({"line1": "12 Oak St", "line2": "#4", "city": "Austin", "zip_code": 78701},
         "12 Oak St, #4, Austin, 78701"),
        ({"formatted": " 12 Oak St, Austin ", "city": "x"}, "12 Oak St, Austin"),
        ({"street": {"no": 12}, "city": ["Austin"], "state": True, "zip": " "}, None),
    ],
)  # fmt: skip
def test_an_address_is_one_line(address: dict[str, object], expected: str | None) -> None:
    assert format_address(address) == expected


@pytest.mark.parametrize(
    ("at", "expected"),
    [(time(0, 30), "12:30 AM"), (time(11, 59), "11:59 AM"), (time(12), "12:00 PM"),
     (time(23, 59, 59), "11:59 PM")],
)  # fmt: skip
def test_midnight_and_noon_are_twelve(at: time, expected: str) -> None:
    assert format_time(at) == expected
    assert format_date(date(2024, 2, 29)) == "Thursday, February 29, 2024"
