"""Examples for `tour_slots`: given events, the rows that they leave."""

from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

from events.slots import SlotClosed, SlotHeld, SlotOpened, SlotReleased
from projections.slots import count_held_places, projection
from tests.projections.given import ORG, PROPERTY, SESSION, TOUR, at, only, rows_of

SLOT, HOLD = UUID(int=50), UUID(int=51)
SOON = datetime(2026, 3, 1, 12, 10, tzinfo=UTC)


def slot_opened(capacity: int = 1) -> SlotOpened:
    return SlotOpened(
        slot_id=SLOT, slot_date=date(2026, 4, 2), start_time=time(14), end_time=time(14, 30),
        time_zone="America/New_York", fold=0, starts_at=datetime(2026, 4, 2, 18, tzinfo=UTC),
        duration_minutes=30, capacity=capacity,
    )  # fmt: skip


BOOKING = SlotHeld(slot_id=SLOT, hold_id=TOUR, tour_id=TOUR)
RESERVATION = SlotHeld(slot_id=SLOT, hold_id=HOLD, session_id=SESSION, expires_at=SOON)


def holds_after(*events: Any) -> dict[str, Any]:
    (row,) = rows_of(projection, *events)
    holds: dict[str, Any] = row["holds"]
    return holds


def test_a_slot_is_a_row_with_its_property() -> None:
    rows = rows_of(projection, slot_opened(), BOOKING)
    columns = ("id", "org_id", "property_id", "capacity", "status", "created_at", "updated_at")
    assert only(rows, *columns) == [(SLOT, ORG, PROPERTY, 1, "open", at(1), at(2))]


def test_a_new_slot_has_the_time_of_its_opening() -> None:
    assert only(rows_of(projection, slot_opened()), "created_at", "updated_at") == [(at(1), at(1))]


def test_opening_a_slot_again_changes_its_capacity_and_keeps_its_holds() -> None:
    rows = rows_of(projection, slot_opened(), BOOKING, slot_opened(3))
    assert only(rows, "capacity", "created_at") == [(3, at(1))]
    assert set(rows[0]["holds"]) == {str(TOUR)}


def test_holds_have_tour_session_and_expiry_until_they_are_released() -> None:
    assert holds_after(slot_opened(), BOOKING, RESERVATION) == {
        str(TOUR): {"tour_id": str(TOUR), "session_id": None, "expires_at": None},
        str(HOLD): {"tour_id": None, "session_id": str(SESSION), "expires_at": SOON.isoformat()},
    }
    released = SlotReleased(slot_id=SLOT, hold_id=TOUR, tour_id=TOUR, reason="cancelled")
    assert set(holds_after(slot_opened(), BOOKING, RESERVATION, released)) == {str(HOLD)}


def test_a_hold_does_not_count_after_its_expiry() -> None:
    holds = holds_after(slot_opened(), BOOKING, RESERVATION)
    assert [count_held_places(holds, now) for now in (at(1), SOON)] == [2, 1]


def test_a_closed_slot_has_the_status_closed() -> None:
    rows = rows_of(projection, slot_opened(), BOOKING, SlotClosed(slot_id=SLOT))
    assert only(rows, "status") == [("closed",)]
