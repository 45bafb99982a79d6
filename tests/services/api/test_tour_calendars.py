"""The calendar file of a tour, for its visitor and for the console."""

from urllib.parse import unquote
from uuid import UUID, uuid4, uuid5

from icalendar import Calendar

from tests.services.api.conftest import Site
from tests.services.api.visitor import TOURS, at, book, on


async def test_the_calendar_file_follows_the_tour(site: Site) -> None:
    booked = (await book(site, at("10:00"), "ada@example.com")).json()
    tour = booked["booking"]["id"]
    kind, _, text = booked["calendar"]["ics"].partition(",")
    assert kind.startswith("data:text/calendar")
    first = Calendar.from_ical(unquote(text))
    await site.project()
    async with site.world.pool.acquire() as conn:
        lead = await conn.fetchval("SELECT id FROM leads")
    ours, theirs = f"/api/leads/{lead}/tours", f"{TOURS}/{tour}/calendar.ics"

    async def read() -> Calendar:
        await site.project()
        seen = await site.client.get(theirs, headers=site.widget())
        at_home = await site.client.get(
            f"{ours}/{tour}/calendar.ics", headers=site.console(site.viewer)
        )
        assert seen.headers["content-type"].startswith("text/calendar")
        found, same = Calendar.from_ical(seen.text), Calendar.from_ical(at_home.text)
        assert isinstance(found, Calendar)
        assert isinstance(same, Calendar)
        for name in ("uid", "sequence", "dtstart"):
            assert found.events[0][name] == same.events[0][name]
        return found

    assert isinstance(first, Calendar)
    told = [first, await read()]
    body = {"tourId": tour, "tourTime": "11:00"}
    assert (await site.client.patch(ours, json=body, headers=site.console())).status_code == 200
    told.append(await read())
    await site.client.delete(ours, params={"tourId": tour}, headers=site.console())
    told.append(await read())
    assert [one.events[0]["sequence"] for one in told] == [0, 0, 1, 2]
    assert [str(one["method"]) for one in told] == ["REQUEST"] * 3 + ["CANCEL"]
    assert len({str(one.events[0]["uid"]) for one in told}) == 1
    nothing = await site.client.get(f"{TOURS}/{uuid4()}/calendar.ics", headers=site.widget())
    assert nothing.status_code == 404


async def test_the_ids_a_widget_tells_do_not_tell_somebody_else_s_tour(site: Site) -> None:
    slot = (await on(site))["10:00"]
    asked = [await book(site, at("10:00"), "ada@example.com") for _ in range(2)]
    [tour] = {answer.json()["booking"]["id"] for answer in asked}
    await site.project()
    async with site.world.pool.acquire() as conn:
        lead = await conn.fetchval("SELECT id FROM leads")
    guessed = uuid5(UUID(slot["id"]), f"{lead}/0")
    assert str(guessed) != tour
    answer = await site.client.get(f"{TOURS}/{guessed}/calendar.ics", headers=site.widget())
    assert answer.status_code == 404
    assert await site.world.count("tours") == 1
