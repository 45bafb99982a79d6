"""The slots of tour hours, also on days on which the clock changes."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.deciders.decider import Refused
from services.deciders.local_time import WEEKDAYS, When
from services.deciders.slot_schedule import is_offered, list_slots, parse_tour_hours
from services.deciders.slot_times import SlotTime, decode_slot_id, make_slot_time

PROPERTY = uuid4()
NEW_YORK, PHOENIX = "America/New_York", "America/Phoenix"
SPRING, AUTUMN = date(2026, 3, 8), date(2026, 11, 1)


def every_day(start: str, end: str) -> dict[str, Any]:
    return {name: {"start": start, "end": end} for name in WEEKDAYS}


def offered(zone: str, day: date, **settings: Any) -> list[SlotTime]:
    return list_slots(PROPERTY, zone, parse_tour_hours(settings), day, day)


def clocks(slots: list[SlotTime]) -> list[str]:
    """Return the local times; the second of two equal ones has a mark."""
    return [f"{slot.local:%H:%M}" + "'" * slot.local.fold for slot in slots]


def test_a_day_has_the_slots_of_its_hours_with_the_buffer() -> None:
    slots = offered(
        NEW_YORK, date(2026, 6, 1), tour_hours=every_day("09:00", "11:00"),
        tour_duration_minutes=30, tour_buffer_minutes=15,
    )  # fmt: skip
    assert clocks(slots) == ["09:00", "09:45", "10:30"]
    assert [slot.starts_at.hour for slot in slots] == [13, 13, 14]
    assert {slot.duration_minutes for slot in slots} == {30}


def test_the_last_tour_ends_before_closing_time() -> None:
    hours = every_day("09:00", "10:59")
    slots = offered(NEW_YORK, date(2026, 6, 1), tour_hours=hours, tour_duration_minutes=60)
    assert clocks(slots) == ["09:00"]


def test_a_tour_takes_at_most_a_day() -> None:
    def offered_in_a_day(minutes: int) -> list[str]:
        hours = every_day("00:00", "00:00")
        return clocks(
            offered(PHOENIX, date(2026, 6, 1), tour_hours=hours, tour_duration_minutes=minutes)
        )

    assert offered_in_a_day(24 * 60) == ["00:00"]
    assert offered_in_a_day(24 * 60 + 1) == []


def test_without_tour_hours_the_business_hours_and_holidays_apply() -> None:
    monday = date(2026, 6, 1)
    business = {"monday": {"start": "10:00", "end": "11:00"}, "tuesday": None}
    assert clocks(offered(NEW_YORK, monday, business_hours=business)) == ["10:00", "10:30"]
    assert offered(NEW_YORK, monday + timedelta(days=1), business_hours=business) == []
    assert offered(NEW_YORK, monday, business_hours=business, holidays=(monday,)) == []
    own = every_day("12:00", "12:30")
    settings = {"tour_hours": own, "business_hours": business, "holidays": (monday,)}
    assert clocks(offered(NEW_YORK, monday, **settings)) == ["12:00"]


@pytest.mark.parametrize(("settings", "expected"), [
    ({}, (30, 0, 1, True)),
    ({"tour_duration_minutes": None, "tour_buffer_minutes": None, "tour_capacity": None,
      "tours_enabled": None}, (30, 0, 1, True)),
    ({"tour_duration_minutes": 45, "tour_buffer_minutes": 15, "tour_capacity": 3,
      "tours_enabled": False}, (45, 15, 3, False)),
    ({"tours_enabled": True}, (30, 0, 1, True)),
])  # fmt: skip
def test_a_setting_of_tours_has_a_default(
    settings: dict[str, Any], expected: tuple[int, int, int, bool]
) -> None:
    hours = parse_tour_hours(settings)
    values = (hours.duration_minutes, hours.buffer_minutes, hours.capacity, hours.enabled)
    assert values == expected


def test_a_blackout_date_has_no_slots() -> None:
    day = date(2026, 6, 1)
    hours = every_day("22:00", "02:00")
    settings: dict[str, Any] = {"tour_hours": hours, "tour_blackout_dates": (day,)}
    assert clocks(offered(NEW_YORK, day, **settings))[0] == "00:00", "a slot of the evening before"
    assert "22:00" not in clocks(offered(NEW_YORK, day, **settings))


def test_hours_may_pass_midnight() -> None:
    day = date(2026, 6, 1)
    slots = offered(NEW_YORK, day, tour_hours={"sunday": {"start": "23:00", "end": "01:00"}})
    assert clocks(slots) == ["00:00", "00:30"]
    assert slots[1].when.instant == datetime(2026, 6, 1, 4, 30, tzinfo=UTC)
    assert clocks(offered(NEW_YORK, day, tour_hours=every_day("23:00", "24:00"))) == [
        "23:00", "23:30",
    ]  # fmt: skip


def test_no_slot_is_at_a_time_that_the_clock_change_skips() -> None:
    slots = offered(NEW_YORK, SPRING, tour_hours=every_day("00:30", "04:30"))
    assert clocks(slots) == ["00:30", "01:00", "01:30", "03:00", "03:30", "04:00"]
    with pytest.raises(Refused) as caught:
        make_slot_time(PROPERTY, When(SPRING, time(2, 30), NEW_YORK))
    assert (caught.value.code, caught.value.status) == ("no_such_time", 422)


def test_an_hour_that_comes_twice_has_its_slots_twice() -> None:
    slots = offered(NEW_YORK, AUTUMN, tour_hours=every_day("00:30", "02:30"))
    assert clocks(slots) == ["00:30", "01:00", "01:30", "01:00'", "01:30'", "02:00"]
    assert len({slot.id for slot in slots}) == 6
    assert all(make_slot_time(PROPERTY, slot.when) == slot for slot in slots)


def test_hours_begin_and_end_at_the_first_of_two_equal_times() -> None:
    begun = offered(NEW_YORK, AUTUMN, tour_hours=every_day("01:30", "02:30"))
    assert clocks(begun) == ["01:30", "01:00'", "01:30'", "02:00"]
    ended = offered(NEW_YORK, AUTUMN, tour_hours=every_day("00:30", "01:30"))
    assert clocks(ended) == ["00:30", "01:00"]


def test_hours_may_begin_or_end_at_a_time_that_the_clock_change_skips() -> None:
    begun = offered(NEW_YORK, SPRING, tour_hours=every_day("02:30", "04:00"))
    assert clocks(begun) == ["03:30"]
    ended = offered(NEW_YORK, SPRING, tour_hours=every_day("00:30", "02:30"))
    assert clocks(ended) == ["00:30", "01:00"], "a tour at 01:30 ends at 03:00"


def test_a_zone_without_clock_changes_has_the_same_slots_every_day() -> None:
    for day in (SPRING, AUTUMN):
        slots = offered(PHOENIX, day, tour_hours=every_day("00:30", "03:00"))
        assert clocks(slots) == ["00:30", "01:00", "01:30", "02:00", "02:30"]
        assert [slot.starts_at.hour for slot in slots] == [7, 8, 8, 9, 9]


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(Refused):
        offered("Mars/Olympus", SPRING)


@pytest.mark.parametrize(
    "hours",
    [5, "9 to 5", [], {"monday": 5}, {"monday": {"start": 9, "end": 17}}, {"monday": {}},
     {"monday": {"start": "25:00", "end": "26:00"}}, {"monday": {"start": "09:00"}}],
)  # fmt: skip
def test_malformed_hours_are_closed(hours: object) -> None:
    assert offered(NEW_YORK, date(2026, 6, 1), tour_hours=hours) == []


zones = st.sampled_from([NEW_YORK, PHOENIX, "Australia/Lord_Howe", "Europe/Dublin", "UTC",
                         "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia"])  # fmt: skip
times = st.times().map(lambda at: at.replace(second=0, microsecond=0).isoformat("minutes"))


@settings(max_examples=60, deadline=None)
@given(zones, st.dates(date(2010, 1, 1), date(2040, 1, 1)), times, times,
       st.integers(10, 200), st.integers(0, 90))  # fmt: skip
def test_slots_never_overlap_and_are_decoded_from_their_ids(
    zone: str, day: date, start: str, end: str, minutes: int, buffer: int
) -> None:
    hours = parse_tour_hours({
        "tour_hours": every_day(start, end), "tour_duration_minutes": minutes,
        "tour_buffer_minutes": buffer,
    })  # fmt: skip
    slots = list_slots(PROPERTY, zone, hours, day, day + timedelta(days=2))
    for slot in slots:
        assert slot.when.instant == slot.starts_at
        assert slot.local.tzinfo == ZoneInfo(zone)
        assert is_offered(slot, hours)
        assert decode_slot_id(slot.id, PROPERTY, zone) == slot
        assert decode_slot_id(slot.id, uuid4(), zone) is None
        assert slot.id.version == 8
    assert all(slot.ends_at <= later.starts_at for slot, later in pairwise(slots))


@given(st.uuids())
def test_an_id_that_is_not_a_slot_decodes_to_none(key: UUID) -> None:
    assert decode_slot_id(key, PROPERTY, NEW_YORK) is None
