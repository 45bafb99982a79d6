"""Openings: the slots that hours make, on days whose clocks do what they want."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.deciders.decider import Refused
from services.deciders.local_time import When
from services.deciders.slot_schedule import WEEKDAYS, is_offered, slots_between, tour_hours
from services.deciders.slot_times import SlotTime, slot_behind, slot_of

HOUSE = uuid4()
NEW_YORK, PHOENIX = "America/New_York", "America/Phoenix"
SPRING, AUTUMN = date(2026, 3, 8), date(2026, 11, 1)


def every_day(start: str, end: str) -> dict[str, Any]:
    return {name: {"start": start, "end": end} for name in WEEKDAYS}


def offered(zone: str, day: date, **said: Any) -> list[SlotTime]:
    return slots_between(HOUSE, zone, tour_hours(said), day, day)


def clocks(slots: list[SlotTime]) -> list[str]:
    """Local times; the second of two equal ones has a mark."""
    return [f"{slot.local:%H:%M}" + "'" * slot.local.fold for slot in slots]


def test_a_day_has_the_slots_of_its_hours_with_their_buffer() -> None:
    found = offered(
        NEW_YORK, date(2026, 6, 1), tour_hours=every_day("09:00", "11:00"),
        tour_duration_minutes=30, tour_buffer_minutes=15,
    )  # fmt: skip
    assert clocks(found) == ["09:00", "09:45", "10:30"]
    assert [slot.starts_at.hour for slot in found] == [13, 13, 14]
    assert {slot.duration_minutes for slot in found} == {30}


def test_a_tour_ends_before_the_house_closes() -> None:
    hours = every_day("09:00", "10:59")
    found = offered(NEW_YORK, date(2026, 6, 1), tour_hours=hours, tour_duration_minutes=60)
    assert clocks(found) == ["09:00"]


def test_without_tour_hours_those_of_the_business_count_and_its_holidays() -> None:
    monday = date(2026, 6, 1)
    business = {"monday": {"start": "10:00", "end": "11:00"}, "tuesday": None}
    assert clocks(offered(NEW_YORK, monday, business_hours=business)) == ["10:00", "10:30"]
    assert offered(NEW_YORK, monday + timedelta(days=1), business_hours=business) == []
    assert offered(NEW_YORK, monday, business_hours=business, holidays=(monday,)) == []
    own = every_day("12:00", "12:30")
    said = {"tour_hours": own, "business_hours": business, "holidays": (monday,)}
    assert clocks(offered(NEW_YORK, monday, **said)) == ["12:00"]


def test_a_blacked_out_day_has_no_slots() -> None:
    day = date(2026, 6, 1)
    hours = every_day("22:00", "02:00")
    said: dict[str, Any] = {"tour_hours": hours, "tour_blackout_dates": (day,)}
    assert clocks(offered(NEW_YORK, day, **said))[0] == "00:00", "of the evening before"
    assert "22:00" not in clocks(offered(NEW_YORK, day, **said))


def test_hours_may_pass_midnight_and_a_tour_may_begin_half_an_hour_after_it() -> None:
    day = date(2026, 6, 1)
    found = offered(NEW_YORK, day, tour_hours={"sunday": {"start": "23:00", "end": "01:00"}})
    assert clocks(found) == ["00:00", "00:30"]
    assert found[1].when.instant == datetime(2026, 6, 1, 4, 30, tzinfo=UTC)
    assert clocks(offered(NEW_YORK, day, tour_hours=every_day("23:00", "24:00"))) == [
        "23:00", "23:30",
    ]  # fmt: skip


def test_in_spring_no_slot_is_at_a_time_that_clocks_skip() -> None:
    found = offered(NEW_YORK, SPRING, tour_hours=every_day("00:30", "04:30"))
    assert clocks(found) == ["00:30", "01:00", "01:30", "03:00", "03:30", "04:00"]
    with pytest.raises(Refused) as caught:
        slot_of(HOUSE, When(SPRING, time(2, 30), NEW_YORK))
    assert (caught.value.code, caught.value.status) == ("no_such_time", 422)


def test_in_autumn_an_hour_comes_twice_and_so_do_its_slots() -> None:
    found = offered(NEW_YORK, AUTUMN, tour_hours=every_day("00:30", "02:30"))
    assert clocks(found) == ["00:30", "01:00", "01:30", "01:00'", "01:30'", "02:00"]
    assert len({slot.id for slot in found}) == 6
    assert all(slot_of(HOUSE, slot.when) == slot for slot in found)


def test_arizona_keeps_its_clocks() -> None:
    for day in (SPRING, AUTUMN):
        found = offered(PHOENIX, day, tour_hours=every_day("00:30", "03:00"))
        assert clocks(found) == ["00:30", "01:00", "01:30", "02:00", "02:30"]
        assert [slot.starts_at.hour for slot in found] == [7, 8, 8, 9, 9]


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(Refused):
        offered("Mars/Olympus", SPRING)


@pytest.mark.parametrize(
    "hours",
    [5, "9 to 5", [], {"monday": 5}, {"monday": {"start": 9, "end": 17}}, {"monday": {}},
     {"monday": {"start": "25:00", "end": "26:00"}}, {"monday": {"start": "09:00"}}],
)  # fmt: skip
def test_hours_that_are_none_are_closed(hours: object) -> None:
    assert offered(NEW_YORK, date(2026, 6, 1), tour_hours=hours) == []


zones = st.sampled_from([NEW_YORK, PHOENIX, "Australia/Lord_Howe", "Europe/Dublin", "UTC",
                         "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia"])  # fmt: skip
times = st.times().map(lambda at: at.replace(second=0, microsecond=0).isoformat("minutes"))


@settings(max_examples=60, deadline=None)
@given(zones, st.dates(date(2010, 1, 1), date(2040, 1, 1)), times, times,
       st.integers(10, 200), st.integers(0, 90))  # fmt: skip
def test_slots_never_overlap_exist_on_the_clock_and_are_told_by_their_ids(
    zone: str, day: date, start: str, end: str, minutes: int, buffer: int
) -> None:
    hours = tour_hours({
        "tour_hours": every_day(start, end), "tour_duration_minutes": minutes,
        "tour_buffer_minutes": buffer,
    })  # fmt: skip
    found = slots_between(HOUSE, zone, hours, day, day + timedelta(days=2))
    for slot in found:
        assert slot.when.instant == slot.starts_at
        assert slot.local.tzinfo == ZoneInfo(zone)
        assert is_offered(slot, hours)
        assert slot_behind(slot.id, HOUSE, zone) == slot
        assert slot_behind(slot.id, uuid4(), zone) is None
        assert slot.id.version == 8
    assert all(one.ends_at <= two.starts_at for one, two in pairwise(found))


@given(st.uuids())
def test_an_id_that_is_no_slot_is_none(key: UUID) -> None:
    assert slot_behind(key, HOUSE, NEW_YORK) is None
