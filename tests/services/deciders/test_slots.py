"""Slots: what a place is, when it is free, and what overlaps."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from events.event import Event
from events.slots import SlotClosed, SlotHeld, SlotOpened, SlotReleased
from services.deciders.slot_times import SlotTime
from services.deciders.slots import CloseSlot, LeavePlace, TakePlace, most_taken
from tests.services.deciders.given import given

HOUSE, TOUR, OTHER, HELD = uuid4(), uuid4(), uuid4(), uuid4()
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SLOT = SlotTime(HOUSE, datetime(2026, 4, 2, 18, tzinfo=UTC), 30, "America/New_York")
NEXT = SlotTime(HOUSE, SLOT.ends_at, 30, "America/New_York")
BETWEEN = SlotTime(HOUSE, SLOT.starts_at + timedelta(minutes=15), 30, "America/New_York")
SOON = NOW + timedelta(minutes=10)


def opened(slot: SlotTime = SLOT, capacity: int = 1) -> SlotOpened:
    return SlotOpened.model_validate({**slot.said, "capacity": capacity})


def held(key: UUID, slot: SlotTime = SLOT, **more: Any) -> SlotHeld:
    return SlotHeld(slot_id=slot.id, hold_id=key, **more)


def booked(tour: UUID, slot: SlotTime = SLOT) -> SlotHeld:
    return held(tour, slot, tour_id=tour)


def take(key: UUID = TOUR, slot: SlotTime = SLOT, capacity: int = 1, **more: Any) -> TakePlace:
    return TakePlace(slot, key, more.pop("at", NOW), capacity, tour_id=key, **more)


def test_the_first_booking_opens_its_slot() -> None:
    given().when(take()).then(opened(), booked(TOUR))
    assert (opened().slot_date.isoformat(), opened().start_time.hour) == ("2026-04-02", 14)


def test_a_full_slot_is_full_and_asking_again_changes_nothing() -> None:
    given(opened(), booked(OTHER)).when(take()).refused("slot_full", 409)
    given(opened(), booked(TOUR)).when(take()).then()


def test_there_are_as_many_places_as_the_property_says_now() -> None:
    given(opened(), booked(OTHER)).when(take(capacity=2)).then(opened(capacity=2), booked(TOUR))
    given(opened(capacity=3), booked(OTHER)).when(take(capacity=1)).refused("slot_full")


def test_a_hold_keeps_others_out_until_time_is_up() -> None:
    kept = held(HELD, expires_at=SOON)
    given(opened(), kept).when(take(at=SOON - timedelta.resolution)).refused("slot_full")
    given(opened(), kept).when(take(at=SOON)).then(
        SlotReleased(slot_id=SLOT.id, hold_id=HELD, reason="expired"), booked(TOUR)
    )


def test_a_hold_becomes_the_booking_of_who_held_it() -> None:
    given(opened(), held(HELD, expires_at=SOON)).when(take(instead_of=HELD)).then(
        SlotReleased(slot_id=SLOT.id, hold_id=HELD, reason="booked"), booked(TOUR)
    )


def test_a_place_that_is_left_is_free() -> None:
    left = SlotReleased(slot_id=SLOT.id, hold_id=OTHER, tour_id=OTHER, reason="cancelled")
    given(opened(), booked(OTHER)).when(LeavePlace(SLOT.id, OTHER, "cancelled")).then(left)
    given(opened(), booked(OTHER), left).when(take()).then(booked(TOUR))
    given(opened(), booked(OTHER), left).when(LeavePlace(SLOT.id, OTHER, "cancelled")).then()


def test_a_closed_slot_takes_nobody_and_keeps_who_is_there() -> None:
    shut = SlotClosed(slot_id=SLOT.id, reason="painters")
    given(opened()).when(CloseSlot(SLOT.id, "painters")).then(shut)
    given(opened(), shut).when(CloseSlot(SLOT.id)).then()
    given().when(CloseSlot(SLOT.id)).then()
    given(opened(), shut).when(take()).refused("slot_closed", 409)
    given(opened(), booked(TOUR), shut).when(take()).then()


def test_a_time_off_the_grid_takes_the_places_it_overlaps() -> None:
    there: list[Event] = [opened(BETWEEN), booked(OTHER, BETWEEN)]
    given(*there).when(take(overlapping=(BETWEEN.id,))).refused("slot_full")
    given(opened(), booked(OTHER)).when(take(slot=BETWEEN, overlapping=(SLOT.id,))).refused(
        "slot_full"
    )
    given(*there).when(take(capacity=2, overlapping=(BETWEEN.id,))).then(
        opened(capacity=2), booked(TOUR)
    )


def test_tours_that_only_follow_one_another_take_one_place() -> None:
    """What overlaps both of two slots is not in both at once with what is in each."""
    one, two = (SLOT.starts_at, SLOT.ends_at, 1), (NEXT.starts_at, NEXT.ends_at, 1)
    assert most_taken(BETWEEN, [one, two]) == 1
    assert most_taken(BETWEEN, [one, two, one]) == 2
    assert most_taken(SLOT, [two]) == 0
    assert most_taken(SLOT, []) == 0
