"""The decider of slots: places, holds and overlapping times."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from events.event import Event
from events.slots import SlotClosed, SlotHeld, SlotOpened, SlotReleased
from services.deciders.slot_times import SlotTime
from services.deciders.slots import CloseSlot, ReleasePlace, TakePlace, compute_peak_occupancy
from tests.services.deciders.given import given

PROPERTY, TOUR, OTHER, HOLD = uuid4(), uuid4(), uuid4(), uuid4()
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SLOT = SlotTime(PROPERTY, datetime(2026, 4, 2, 18, tzinfo=UTC), 30, "America/New_York")
NEXT = SlotTime(PROPERTY, SLOT.ends_at, 30, "America/New_York")
BETWEEN = SlotTime(PROPERTY, SLOT.starts_at + timedelta(minutes=15), 30, "America/New_York")
SOON = NOW + timedelta(minutes=10)


def opened(slot: SlotTime = SLOT, capacity: int = 1) -> SlotOpened:
    return SlotOpened.model_validate({**slot.event_fields, "capacity": capacity})


def make_hold(key: UUID, slot: SlotTime = SLOT, **more: Any) -> SlotHeld:
    return SlotHeld(slot_id=slot.id, hold_id=key, **more)


def booked(tour: UUID, slot: SlotTime = SLOT) -> SlotHeld:
    return make_hold(tour, slot, tour_id=tour)


def take(key: UUID = TOUR, slot: SlotTime = SLOT, capacity: int = 1, **more: Any) -> TakePlace:
    return TakePlace(slot, key, more.pop("at", NOW), capacity, tour_id=key, **more)


def test_the_first_booking_opens_the_slot() -> None:
    given().when(take()).then(opened(), booked(TOUR))
    assert (opened().slot_date.isoformat(), opened().start_time.hour) == ("2026-04-02", 14)


def test_a_full_slot_refuses_others_and_a_repeated_booking_changes_nothing() -> None:
    given(opened(), booked(OTHER)).when(take()).refused("slot_full", 409)
    given(opened(), booked(TOUR)).when(take()).then()


def test_the_capacity_is_that_of_the_present_settings() -> None:
    given(opened(), booked(OTHER)).when(take(capacity=2)).then(opened(capacity=2), booked(TOUR))
    given(opened(capacity=3), booked(OTHER)).when(take(capacity=1)).refused("slot_full")


def test_a_hold_blocks_a_place_until_it_expires() -> None:
    hold = make_hold(HOLD, expires_at=SOON)
    given(opened(), hold).when(take(at=SOON - timedelta.resolution)).refused("slot_full")
    given(opened(), hold).when(take(at=SOON)).then(
        SlotReleased(slot_id=SLOT.id, hold_id=HOLD, reason="expired"), booked(TOUR)
    )


def test_a_booking_replaces_the_hold_of_the_visitor() -> None:
    given(opened(), make_hold(HOLD, expires_at=SOON)).when(take(instead_of=HOLD)).then(
        SlotReleased(slot_id=SLOT.id, hold_id=HOLD, reason="booked"), booked(TOUR)
    )


def test_a_released_place_is_free() -> None:
    left = SlotReleased(slot_id=SLOT.id, hold_id=OTHER, tour_id=OTHER, reason="cancelled")
    given(opened(), booked(OTHER)).when(ReleasePlace(SLOT.id, OTHER, "cancelled")).then(left)
    given(opened(), booked(OTHER), left).when(take()).then(booked(TOUR))
    given(opened(), booked(OTHER), left).when(ReleasePlace(SLOT.id, OTHER, "cancelled")).then()


def test_a_closed_slot_refuses_bookings_and_keeps_its_tours() -> None:
    shut = SlotClosed(slot_id=SLOT.id, reason="painters")
    given(opened()).when(CloseSlot(SLOT.id, "painters")).then(shut)
    given(opened(), shut).when(CloseSlot(SLOT.id)).then()
    given().when(CloseSlot(SLOT.id)).then()
    given(opened(), shut).when(take()).refused("slot_closed", 409)
    given(opened(), booked(TOUR), shut).when(take()).then()


def test_a_time_between_slots_takes_a_place_in_each_slot_it_overlaps() -> None:
    there: list[Event] = [opened(BETWEEN), booked(OTHER, BETWEEN)]
    given(*there).when(take(overlapping=(BETWEEN.id,))).refused("slot_full")
    given(opened(), booked(OTHER)).when(take(slot=BETWEEN, overlapping=(SLOT.id,))).refused(
        "slot_full"
    )
    given(*there).when(take(capacity=2, overlapping=(BETWEEN.id,))).then(
        opened(capacity=2), booked(TOUR)
    )


def test_consecutive_tours_need_one_place() -> None:
    """A tour that overlaps two consecutive tours meets only one of them at a time."""
    first, second = (SLOT.starts_at, SLOT.ends_at, 1), (NEXT.starts_at, NEXT.ends_at, 1)
    assert compute_peak_occupancy(BETWEEN, [first, second]) == 1
    assert compute_peak_occupancy(BETWEEN, [first, second, first]) == 2
    assert compute_peak_occupancy(SLOT, [second]) == 0
    assert compute_peak_occupancy(SLOT, []) == 0


def test_a_slot_without_an_end_occupies_no_other_slot() -> None:
    """Its end is beyond the last instant that Python can represent."""
    last = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    endless = SlotOpened.model_validate({
        **opened().model_dump(), "slot_id": NEXT.id, "starts_at": last,
    })  # fmt: skip
    given(endless, booked(OTHER, NEXT)).when(take(overlapping=(NEXT.id,))).then(
        opened(), booked(TOUR)
    )
