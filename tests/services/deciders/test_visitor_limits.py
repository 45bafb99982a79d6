"""The limits of visitors: the last place or tour within a limit, and the first one above it."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from services.deciders.decider import Refused
from services.deciders.slot_schedule import parse_tour_hours
from services.deciders.slot_times import SlotTime
from services.deciders.visitor_limits import (
    FutureTours,
    HeldPlaces,
    VisitorLimits,
    count_offered_places,
    exceeds_contact_limit,
    parse_visitor_limits,
    require_hold,
    require_network_tour,
)

LIMITS = VisitorLimits()


def is_refused(held: HeldPlaces) -> bool:
    """Return whether one more hold is refused while a property may have 12 held places."""
    try:
        require_hold(LIMITS, held, max_held_places=12)
    except Refused as error:
        return error.code == "too_many_holds"
    return False


def test_a_hold_is_refused_when_one_of_four_numbers_is_at_its_limit() -> None:
    assert not is_refused(HeldPlaces(of_visitor=1, of_session=1, of_network=9, of_property=11))
    assert is_refused(HeldPlaces(of_visitor=2, of_session=1, of_network=9, of_property=11))
    assert is_refused(HeldPlaces(of_visitor=1, of_session=2, of_network=9, of_property=11))
    assert is_refused(HeldPlaces(of_visitor=1, of_session=1, of_network=10, of_property=11))
    assert is_refused(HeldPlaces(of_visitor=1, of_session=1, of_network=9, of_property=12))


def test_a_contact_gets_three_future_tours() -> None:
    exceeded = [exceeds_contact_limit(LIMITS, FutureTours(number, 0)) for number in (2, 3)]
    assert exceeded == [False, True]


def test_a_network_gets_twenty_future_tours() -> None:
    require_network_tour(LIMITS, FutureTours(of_contact=0, of_network=19))
    with pytest.raises(Refused, match="20 tours"):
        require_network_tour(LIMITS, FutureTours(of_contact=0, of_network=20))


@pytest.mark.parametrize(
    ("places", "held"), [(0, 2), (8, 2), (11, 2), (12, 3), (99, 24), (100, 25), (10_000, 2_500)]
)
def test_a_quarter_of_the_places_can_be_held_but_at_least_two(places: int, held: int) -> None:
    assert LIMITS.max_held_places(places) == held


def test_a_setting_replaces_its_default_also_with_zero() -> None:
    settings = {"tour_held_percent": 50, "future_tours_per_contact": 0, "tour_capacity": 9}
    assert parse_visitor_limits(settings) == VisitorLimits(tours_per_contact=0, held_percent=50)
    assert parse_visitor_limits({"tour_held_percent": None}) == LIMITS


def test_the_places_of_today_and_the_next_two_weeks_are_offered() -> None:
    noon = datetime(2026, 6, 1, 12, tzinfo=UTC)
    slot = SlotTime(UUID(int=1), noon, 30, "UTC")
    hours = parse_tour_hours({
        "tour_hours": {"monday": {"start": "09:00", "end": "10:00"}}, "tour_capacity": 3,
    })  # fmt: skip
    mondays, slots, capacity = 3, 2, 3
    assert count_offered_places(slot, hours, noon) == mondays * slots * capacity
