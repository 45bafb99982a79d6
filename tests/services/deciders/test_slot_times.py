"""The time of a slot and its id: lengths, days and years on both sides of each limit."""

from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

import pytest

from services.deciders.decider import Refused
from services.deciders.local_time import When
from services.deciders.slot_times import SlotTime, decode_slot_id, make_slot_time

PROPERTY = UUID("7f9c24e8-3b12-4fef-91e0-0a1d2c3b4a5a")
ZONE = "America/New_York"
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 6, 2, tzinfo=UTC)
ONE_DAY = 24 * 60


def make_slot(starts_at: datetime = NOON, minutes: int = 30) -> SlotTime:
    return SlotTime(PROPERTY, starts_at, minutes, ZONE)


def make_when(minutes: int) -> When:
    return When(date(2026, 6, 1), time(8), ZONE, 0, minutes)


def test_the_id_of_a_slot_never_changes() -> None:
    """It is stored in events, so another id for the same slot would be another slot."""
    assert make_slot().id == UUID("0350eba2-001e-83e5-ba82-9d2e5795c60d")
    assert make_slot(datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC), ONE_DAY).id == UUID(
        "07a432b7-fda0-8863-8f2a-20baab7543b3"
    )


def test_the_id_depends_on_property_start_and_duration() -> None:
    other_property = SlotTime(UUID(int=1), NOON, 30, ZONE)
    others = {
        other_property.id,
        make_slot(NOON + timedelta(seconds=1)).id,
        make_slot(minutes=31).id,
    }
    assert len(others | {make_slot().id}) == 4
    assert SlotTime(PROPERTY, NOON, 30, "UTC").id == make_slot().id


def test_an_opened_slot_states_its_local_time_with_the_fold() -> None:
    second = make_slot(datetime(2026, 11, 1, 6, 30, tzinfo=UTC), 45)
    assert second.event_fields == {
        "slot_id": second.id, "slot_date": date(2026, 11, 1), "start_time": time(1, 30),
        "end_time": time(2, 15), "time_zone": ZONE, "fold": 1, "starts_at": second.starts_at,
        "duration_minutes": 45,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("starts_at", "minutes", "days"),
    [
        (NOON, 30, [1]),
        (MIDNIGHT - timedelta(minutes=30), 30, [1]),
        (MIDNIGHT - timedelta(minutes=30), 31, [1, 2]),
        (MIDNIGHT, 30, [2]),
        (NOON, ONE_DAY, [1, 2]),
        (MIDNIGHT, ONE_DAY, [2]),
        (MIDNIGHT - timedelta(seconds=1), ONE_DAY + 1, [1, 2, 3]),
    ],
)
def test_a_slot_touches_the_days_between_its_start_and_its_end(
    starts_at: datetime, minutes: int, days: list[int]
) -> None:
    assert list(make_slot(starts_at, minutes).days()) == [date(2026, 6, day) for day in days]


def test_a_tour_of_one_day_is_a_slot_and_a_longer_one_is_refused() -> None:
    slot = make_slot_time(PROPERTY, make_when(ONE_DAY))
    assert slot == make_slot(minutes=ONE_DAY)
    with pytest.raises(Refused) as caught:
        make_slot_time(PROPERTY, make_when(ONE_DAY + 1))
    assert (caught.value.code, caught.value.status) == ("invalid_duration", 400)
    assert "1440 minutes" in caught.value.message


@pytest.mark.parametrize(("minutes", "is_slot"), [
    (0, False), (1, True), (ONE_DAY, True), (ONE_DAY + 1, False),
])  # fmt: skip
def test_only_an_id_with_a_valid_duration_is_decoded(minutes: int, is_slot: bool) -> None:
    slot = make_slot(minutes=minutes)
    assert decode_slot_id(slot.id, PROPERTY, ZONE) == (slot if is_slot else None)


@pytest.mark.parametrize(("starts_at", "is_slot"), [
    (datetime(2000, 12, 31, 23, 59, tzinfo=UTC), False),
    (datetime(2001, 1, 1, tzinfo=UTC), True),
    (datetime(2099, 12, 31, 23, 59, tzinfo=UTC), True),
    (datetime(2100, 1, 1, tzinfo=UTC), False),
])  # fmt: skip
def test_only_an_id_in_the_years_of_tours_is_decoded(starts_at: datetime, is_slot: bool) -> None:
    slot = make_slot(starts_at)
    assert decode_slot_id(slot.id, PROPERTY, ZONE) == (slot if is_slot else None)


def test_an_id_whose_hash_differs_in_one_bit_is_not_decoded() -> None:
    for bit in (0, 61, 64, 75):
        assert decode_slot_id(UUID(int=make_slot().id.int ^ (1 << bit)), PROPERTY, ZONE) is None
