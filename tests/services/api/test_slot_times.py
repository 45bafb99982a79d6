"""Local times through HTTP: after midnight, in spring, in autumn, in Arizona."""

from datetime import timedelta

from tests.services.api.conftest import NEXT_MONTH, Site
from tests.services.api.visitor import (
    at,
    book,
    configure,
    every_day,
    live_in,
    on,
    slot_at,
    slots,
    sunday,
)


async def test_a_tour_may_begin_half_an_hour_after_midnight(site: Site) -> None:
    await configure(site, tour_hours=every_day("23:00", "02:00"))
    assert (await book(site, at("00:30"))).status_code == 201
    await site.project()
    async with site.world.pool.acquire() as conn:
        (tour,) = await conn.fetch("SELECT tour_date, starts_at FROM tours")
    assert tour["tour_date"] == NEXT_MONTH
    assert tour["starts_at"] == slot_at(site, "00:30").starts_at
    assert tour["starts_at"].date() == NEXT_MONTH, "four or five hours before UTC"


async def test_in_spring_a_time_that_clocks_skip_is_refused(site: Site) -> None:
    await configure(site, tour_hours=every_day("00:00", "05:00"))
    day = sunday(3, 2).isoformat()
    assert not {"02:00", "02:30"} & set(await on(site, day))
    answer = await book(site, at("02:30", day))
    assert (answer.status_code, answer.json()["code"]) == (422, "no_such_time")
    assert (await book(site, at("03:00", day))).status_code == 201


async def test_in_autumn_both_of_two_equal_times_can_be_booked(site: Site) -> None:
    await configure(site, tour_hours=every_day("00:00", "05:00"))
    day = sunday(11, 1).isoformat()
    twice = [s for s in (await slots(site, startDate=day, endDate=day))[day]
             if s["startTime"] == "01:30"]  # fmt: skip
    assert len({slot["id"] for slot in twice}) == 2
    answers = [await book(site, {"slotId": slot["id"]}) for slot in twice]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert (await book(site, {**at("01:30", day), "fold": 1})).status_code == 409
    await site.project()
    async with site.world.pool.acquire() as conn:
        rows = await conn.fetch("SELECT tour_time, fold, starts_at FROM tours ORDER BY fold")
    assert [row["fold"] for row in rows] == [0, 1]
    assert rows[1]["starts_at"] - rows[0]["starts_at"] == timedelta(hours=1)


async def test_arizona_keeps_its_clocks(site: Site) -> None:
    await live_in(site, "America/Phoenix")
    await configure(site, tour_hours=every_day("00:00", "05:00"))
    day = sunday(3, 2).isoformat()
    assert (await book(site, at("02:30", day))).status_code == 201
    await site.project()
    async with site.world.pool.acquire() as conn:
        starts_at = await conn.fetchval("SELECT starts_at FROM tours")
    assert (starts_at.hour, starts_at.minute) == (9, 30)
