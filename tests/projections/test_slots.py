"""`tour_slots`: opened once, held, left, closed."""

from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

from events.slots import SlotClosed, SlotHeld, SlotOpened, SlotReleased
from projections.slots import places_held, projection
from tests.projections.given import HOUSE, ORG, SESSION, TOUR, at, only, rows_of

SLOT, HOLD = UUID(int=50), UUID(int=51)
SOON = datetime(2026, 3, 1, 12, 10, tzinfo=UTC)


def opened(capacity: int = 1) -> SlotOpened:
    return SlotOpened(
        slot_id=SLOT, slot_date=date(2026, 4, 2), start_time=time(14), end_time=time(14, 30),
        time_zone="America/New_York", fold=0, starts_at=datetime(2026, 4, 2, 18, tzinfo=UTC),
        duration_minutes=30, capacity=capacity,
    )  # fmt: skip


BOOKED = SlotHeld(slot_id=SLOT, hold_id=TOUR, tour_id=TOUR)
KEPT = SlotHeld(slot_id=SLOT, hold_id=HOLD, session_id=SESSION, expires_at=SOON)


def holds(*events: Any) -> dict[str, Any]:
    (row,) = rows_of(projection, *events)
    found: dict[str, Any] = row["holds"]
    return found


def test_a_slot_is_a_row_of_its_property() -> None:
    rows = rows_of(projection, opened(), BOOKED)
    columns = ("id", "org_id", "property_id", "capacity", "status", "created_at", "updated_at")
    assert only(rows, *columns) == [(SLOT, ORG, HOUSE, 1, "open", at(1), at(2))]


def test_opened_again_a_slot_has_another_capacity_and_the_same_holds() -> None:
    rows = rows_of(projection, opened(), BOOKED, opened(3))
    assert only(rows, "capacity", "created_at") == [(3, at(1))]
    assert set(rows[0]["holds"]) == {str(TOUR)}


def test_who_holds_what_until_when() -> None:
    assert holds(opened(), BOOKED, KEPT) == {
        str(TOUR): {"tour_id": str(TOUR), "session_id": None, "expires_at": None},
        str(HOLD): {"tour_id": None, "session_id": str(SESSION), "expires_at": SOON.isoformat()},
    }
    left = SlotReleased(slot_id=SLOT, hold_id=TOUR, tour_id=TOUR, reason="cancelled")
    assert set(holds(opened(), BOOKED, KEPT, left)) == {str(HOLD)}


def test_a_hold_ends_by_time_alone() -> None:
    found = holds(opened(), BOOKED, KEPT)
    assert [places_held(found, now) for now in (at(1), SOON)] == [2, 1]


def test_a_closed_slot_says_so() -> None:
    rows = rows_of(projection, opened(), BOOKED, SlotClosed(slot_id=SLOT))
    assert only(rows, "status") == [("closed",)]
