"""The calendar file of a tour, as the widget and the console serve it."""

from urllib.parse import unquote
from uuid import UUID, uuid4, uuid5

from icalendar import Calendar

from tests.services.api.site import WIDGET_TOURS, Site
from tests.services.api.tour_requests import at, book, slots_of_day


async def test_the_calendar_file_follows_the_changes_of_its_tour(site: Site) -> None:
    booked = (await book(site, at("10:00"), "ada@example.com")).json()
    tour = booked["booking"]["id"]
    media_type, _, text = booked["calendar"]["ics"].partition(",")
    assert media_type.startswith("data:text/calendar")
    first = Calendar.from_ical(unquote(text))
    await site.project()
    async with site.world.pool.acquire() as conn:
        lead = await conn.fetchval("SELECT id FROM leads")
    console_url, widget_url = f"/api/leads/{lead}/tours", f"{WIDGET_TOURS}/{tour}/calendar.ics"

    async def read() -> Calendar:
        await site.project()
        for_visitor = await site.client.get(widget_url, headers=site.widget_headers())
        for_console = await site.client.get(
            f"{console_url}/{tour}/calendar.ics", headers=site.console_headers(site.viewer)
        )
        assert for_visitor.headers["content-type"].startswith("text/calendar")
        calendar, console_calendar = (
            Calendar.from_ical(for_visitor.text),
            Calendar.from_ical(for_console.text),
        )
        assert isinstance(calendar, Calendar)
        assert isinstance(console_calendar, Calendar)
        for name in ("uid", "sequence", "dtstart"):
            assert calendar.events[0][name] == console_calendar.events[0][name]
        return calendar

    assert isinstance(first, Calendar)
    calendars = [first, await read()]
    body = {"tourId": tour, "tourTime": "11:00"}
    assert (
        await site.client.patch(console_url, json=body, headers=site.console_headers())
    ).status_code == 200
    calendars.append(await read())
    await site.client.delete(console_url, params={"tourId": tour}, headers=site.console_headers())
    calendars.append(await read())
    assert [calendar.events[0]["sequence"] for calendar in calendars] == [0, 0, 1, 2]
    assert [str(calendar["method"]) for calendar in calendars] == ["REQUEST"] * 3 + ["CANCEL"]
    assert len({str(calendar.events[0]["uid"]) for calendar in calendars}) == 1
    unknown = await site.client.get(
        f"{WIDGET_TOURS}/{uuid4()}/calendar.ics", headers=site.widget_headers()
    )
    assert unknown.status_code == 404


async def test_a_tour_id_cannot_be_computed_from_the_ids_that_the_widget_shows(site: Site) -> None:
    slot = (await slots_of_day(site))["10:00"]
    responses = [await book(site, at("10:00"), "ada@example.com") for _ in range(2)]
    [tour] = {response.json()["booking"]["id"] for response in responses}
    await site.project()
    async with site.world.pool.acquire() as conn:
        lead = await conn.fetchval("SELECT id FROM leads")
    computed_id = uuid5(UUID(slot["id"]), f"{lead}/0")
    assert str(computed_id) != tour
    response = await site.client.get(
        f"{WIDGET_TOURS}/{computed_id}/calendar.ics", headers=site.widget_headers()
    )
    assert response.status_code == 404
    assert await site.world.count("tours") == 1
