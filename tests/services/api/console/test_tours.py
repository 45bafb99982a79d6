"""The week of tours: its answer, days, free places, why a day is closed, and other weeks."""

from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from events.tours import TourScheduled, TourType
from tests.services.api.console.visits import Shown, Visit
from tests.services.api.site import NEXT_MONTH, TIME_ZONE, Site
from tests.services.api.tour_requests import configure_widget, daily_hours

DAY = timedelta(days=1)
MARKUP = "<b onclick=alert(1)>&amp;"
MONDAY = NEXT_MONTH - NEXT_MONTH.weekday() * DAY
"""The first day of a week about a month ahead."""


async def append_tour(site: Site, lead: UUID, local: datetime) -> UUID:
    """Append a tour at any local time of the property, also a past one."""
    starts_at, tour = local.astimezone(UTC), uuid4()
    event = TourScheduled(
        tour_id=tour, lead_id=lead, tour_date=local.date(), tour_time=local.time(),
        time_zone=TIME_ZONE, fold=local.fold, starts_at=starts_at, duration_minutes=30,
        tour_type=TourType.VIRTUAL, source="console", assigned_agent_id=site.manager,
    )  # fmt: skip
    await site.world.append(site.world.new(event, at=min(starts_at, datetime.now(UTC)) - DAY))
    return tour


def local_today() -> date:
    return datetime.now(ZoneInfo(TIME_ZONE)).date()


async def open_week(visit: Visit, day: date | None = None) -> Shown:
    query = "" if day is None else f"?week={day}"
    shown = await visit.open(visit.at_property("tours") + query)
    assert shown.status == 200, shown.text
    return shown


def text_of(shown: Shown, element_id: str) -> str:
    [element] = shown.tree.xpath(f"//*[@id='{element_id}']")
    return " ".join(element.text_content().split())


async def test_a_week_without_tours_says_so_and_counts_free_places(viewer: Visit) -> None:
    await configure_widget(viewer.site, tour_hours=daily_hours("10:00", "11:00"))
    await viewer.site.project()
    shown = await open_week(viewer, NEXT_MONTH)
    assert shown.answer == (
        f"No tour in the week of {MONDAY.day} {MONDAY:%B}{_year()}; 14 places are free."
    )
    assert f"Times are those of {TIME_ZONE}." in shown.text


def _year() -> str:
    return f" {MONDAY.year}" if MONDAY.year != local_today().year else ""


async def test_the_answer_names_the_next_tour(viewer: Visit) -> None:
    tomorrow = datetime.combine(local_today() + DAY, time(14), ZoneInfo(TIME_ZONE))
    ada = await viewer.site.create_lead(firstName="Ada", lastName="Lovelace")
    await append_tour(viewer.site, ada, tomorrow + timedelta(minutes=30))
    tour = await append_tour(viewer.site, ada, tomorrow)
    await viewer.site.project()
    shown = await open_week(viewer, tomorrow.date())
    assert "2 tours " in shown.answer
    assert shown.answer.endswith("; the next is tomorrow 14:00 with Ada Lovelace.")
    assert {f"#tour-{tour}", f"/console/leads/{ada}"} <= shown.links()
    assert "scheduled virtual, 30 minutes, with Sam" in text_of(shown, f"tour-{tour}")


async def test_a_tour_that_has_begun_waits_for_its_outcome(viewer: Visit) -> None:
    tour = await viewer.site.create_begun_tour(await viewer.site.create_lead(firstName="Ada"))
    await viewer.site.project()
    started_on = (datetime.now(ZoneInfo(TIME_ZONE)) - timedelta(hours=1)).date()
    shown = await open_week(viewer, started_on)
    assert shown.answer.endswith(" 1 has begun and waits for its outcome.")
    assert f"#tour-{tour}" in shown.links()


async def test_a_past_week_says_what_became_of_its_tours(viewer: Visit) -> None:
    site = viewer.site
    last_week = datetime.combine(local_today() - 7 * DAY, time(14), ZoneInfo(TIME_ZONE))
    for number, status in enumerate(("completed", "completed", "no_show", "cancelled")):
        lead = await site.create_lead(firstName="Ada")
        tour = await append_tour(site, lead, last_week + timedelta(hours=number))
        response = await site.client.patch(
            f"/api/leads/{lead}/tours", json={"tourId": str(tour), "status": status},
            headers=site.console_headers(),
        )  # fmt: skip
        assert response.status_code == 200, response.text
    await site.project()
    shown = await open_week(viewer, last_week.date())
    assert shown.answer == "3 tours last week: 2 took place and 1 lead did not come."
    assert "Ada cancelled" in shown.text


async def test_each_slot_shows_its_free_places_and_each_closed_day_why(viewer: Visit) -> None:
    site = viewer.site
    weekday = f"{MONDAY + 2 * DAY:%A}".lower()
    await configure_widget(
        site, business_hours={**daily_hours("10:00", "11:00"), weekday: None},
        holidays=(MONDAY + DAY,), tour_blackout_dates=(MONDAY,), tour_capacity=2,
    )  # fmt: skip
    thursday = MONDAY + 3 * DAY
    lead = await site.create_lead(firstName="Ada")
    await site.book_tour(lead, tourDate=str(thursday), tourTime="10:30")
    await site.book_tour(lead, tourDate=str(thursday), tourTime="20:00")
    await site.project()
    shown = await open_week(viewer, thursday)
    assert "No tours: blackout date." in text_of(shown, f"day-{MONDAY}")
    assert "No tours: holiday." in text_of(shown, f"day-{MONDAY + DAY}")
    assert "No tours on Wednesdays." in text_of(shown, f"day-{MONDAY + 2 * DAY}")
    day = text_of(shown, f"day-{thursday}")
    assert "2 tours, 3 places free" in day
    assert "10:00 2 of 2 free 10:30 1 of 2 free Ada scheduled" in day
    assert "20:00 outside the tour hours Ada" in day


async def test_the_week_leads_to_the_weeks_around_it(viewer: Visit) -> None:
    shown = await open_week(viewer, NEXT_MONTH)
    path = viewer.at_property("tours")
    assert {
        f"{path}?week={MONDAY - 7 * DAY}", f"{path}?week={MONDAY + 7 * DAY}", path
    } <= shown.links()  # fmt: skip


@pytest.mark.parametrize("text", ["x", "0001-01-01", "9999-12-31", "2026-02-30"])
async def test_a_week_that_is_none_is_refused_in_words(text: str, viewer: Visit) -> None:
    shown = await viewer.open(viewer.at_property(f"tours?week={text}"))
    assert shown.status == 400
    assert "use a date such as" in shown.text


async def test_texts_of_people_are_no_markup(viewer: Visit) -> None:
    lead = await viewer.site.create_lead(firstName=MARKUP)
    await viewer.site.book_tour(lead, notes=MARKUP)
    await viewer.site.project()
    shown = await open_week(viewer, NEXT_MONTH)
    assert shown.text.count(MARKUP) == 3
    assert shown.tree.xpath("//b") == []


async def test_the_page_shows_the_tours_without_the_slots_of_a_property_without_a_zone(
    viewer: Visit,
) -> None:
    site = viewer.site
    await site.book_tour(await site.create_lead(firstName="Ada"))
    await site.project()
    async with site.world.pool.acquire() as conn:
        await conn.execute("UPDATE properties SET settings = '{}'")
    shown = await open_week(viewer, NEXT_MONTH)
    assert shown.answer.startswith("1 tour in the week")
    assert "The free places cannot be shown" in shown.text
