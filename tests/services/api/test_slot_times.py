"""Local times of tours over HTTP: after midnight and at changes of daylight saving time."""

from datetime import timedelta

from tests.services.api.site import NEXT_MONTH, Site
from tests.services.api.tour_requests import (
    at,
    book,
    configure_widget,
    daily_hours,
    list_slots,
    make_slot,
    nth_sunday,
    set_time_zone,
    slots_of_day,
)


async def test_a_tour_can_start_after_midnight_within_hours_of_the_day_before(site: Site) -> None:
    await configure_widget(site, tour_hours=daily_hours("23:00", "02:00"))
    assert (await book(site, at("00:30"))).status_code == 201
    await site.project()
    async with site.world.pool.acquire() as conn:
        (tour,) = await conn.fetch("SELECT tour_date, starts_at FROM tours")
    assert tour["tour_date"] == NEXT_MONTH
    assert tour["starts_at"] == make_slot(site.property_id, "00:30").starts_at
    assert tour["starts_at"].date() == NEXT_MONTH, (
        "the date in UTC, where the tour starts 4 to 5 hours later"
    )


async def test_a_local_time_that_clocks_skip_in_spring_is_refused(site: Site) -> None:
    await configure_widget(site, tour_hours=daily_hours("00:00", "05:00"))
    day = nth_sunday(3, 2).isoformat()
    assert not {"02:00", "02:30"} & set(await slots_of_day(site, day))
    response = await book(site, at("02:30", day))
    assert (response.status_code, response.json()["code"]) == (422, "no_such_time")
    assert (await book(site, at("03:00", day))).status_code == 201


async def test_a_local_time_that_occurs_twice_in_autumn_can_be_booked_twice(site: Site) -> None:
    await configure_widget(site, tour_hours=daily_hours("00:00", "05:00"))
    day = nth_sunday(11, 1).isoformat()
    repeated = [slot for slot in (await list_slots(site, startDate=day, endDate=day))[day]
                if slot["startTime"] == "01:30"]  # fmt: skip
    assert len({slot["id"] for slot in repeated}) == 2
    responses = [await book(site, {"slotId": slot["id"]}) for slot in repeated]
    assert [response.status_code for response in responses] == [201, 201]
    assert (await book(site, {**at("01:30", day), "fold": 1})).status_code == 409
    await site.project()
    async with site.world.pool.acquire() as conn:
        rows = await conn.fetch("SELECT tour_time, fold, starts_at FROM tours ORDER BY fold")
    assert [row["fold"] for row in rows] == [0, 1]
    assert rows[1]["starts_at"] - rows[0]["starts_at"] == timedelta(hours=1)


async def test_a_time_zone_without_daylight_saving_time_skips_no_time(site: Site) -> None:
    await set_time_zone(site, "America/Phoenix")
    await configure_widget(site, tour_hours=daily_hours("00:00", "05:00"))
    day = nth_sunday(3, 2).isoformat()
    assert (await book(site, at("02:30", day))).status_code == 201
    await site.project()
    async with site.world.pool.acquire() as conn:
        starts_at = await conn.fetchval("SELECT starts_at FROM tours")
    assert (starts_at.hour, starts_at.minute) == (9, 30)
