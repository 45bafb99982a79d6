"""Parked events and dead letters: operators see the reason, and act with a dry run and a reason."""

import asyncio
from uuid import uuid4

import asyncpg
import pytest

from services.api.console.pages import refused
from services.application.operator_requests import RequestKind, list_requests
from services.intake import redrive_requests
from services.intake.settings import IntakeSettings
from services.runtime.settings import Settings
from tests.conftest import until
from tests.services.api.console.refused_events import (
    PATH,
    make_dead_letter,
    make_parked,
    park_lead,
    read_actions,
    read_state,
    redrive_all,
)
from tests.services.api.console.visits import Visit
from tests.world import World

FORMS = ("/dead/redrive", "/dead/preview", "/dead/drop", "/parked/retry")


async def test_every_page_and_action_is_for_operators(
    manager: Visit, viewer: Visit, operator: Visit
) -> None:
    world = operator.site.world
    event_id = await make_parked(world)
    dead_letter_id, _ = await make_dead_letter(world)
    pages = ("", f"/parked/{event_id}", f"/dead/{dead_letter_id}")
    forms = (*FORMS, f"/parked/{event_id}/drop", f"/dead/{dead_letter_id}/content",
             f"/dead/{dead_letter_id}/edit")  # fmt: skip
    for path in (*pages, *forms):
        assert (await operator.open(PATH + path)).status == 200, path
        for visit in (manager, viewer):
            assert (await visit.open(PATH + path)).status == 403, path
    for path in forms:
        for visit in (manager, viewer):
            assert (await visit.post(PATH + path, {"reason": "x"})).status == 403, path
    assert await read_actions(world) == []
    assert await world.pool.fetchval("SELECT count(*) FROM crm.operator_requests") == 0


async def test_without_anything_refused_the_page_says_so(operator: Visit) -> None:
    shown = await operator.open(PATH)
    assert shown.answer.startswith("Nothing is refused")
    assert f"{PATH}/parked/retry" not in shown.links()


async def test_parked_events_and_dead_letters_are_counted_by_reason(operator: Visit) -> None:
    world = operator.site.world
    event_id = await make_parked(world, "row <b>missing</b>")
    dead_letter_id, _ = await make_dead_letter(world)
    shown = await operator.open(PATH)
    assert shown.answer == "1 event is parked; 1 record of a producer is refused."
    assert {"?kind=parked&reason=leads", "?kind=dead&reason=unknown_profile"} <= shown.links()
    assert f"{PATH}/parked/{event_id}" in shown.links()
    assert "row <b>missing</b>" in shown.text
    shown = await operator.open(f"{PATH}?kind=dead&reason=unknown_profile")
    assert f"{PATH}/dead/{dead_letter_id}" in shown.links()
    assert "<b>web</b>" in shown.text
    [row] = shown.tree.xpath(f"//tr[@id='dead-{dead_letter_id}']")
    assert "names a person who has no profile" in row.text_content()
    shown = await operator.open(f"{PATH}?kind=dead&reason=malformed")
    assert f"{PATH}/dead/{dead_letter_id}" not in shown.links()


async def test_pages_of_dead_letters_continue(
    operator: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refused, "PAGE_SIZE", 1)
    expected = {(await make_dead_letter(operator.site.world))[0] for _ in range(3)}
    seen: list[str] = []
    path: str | None = f"{PATH}?kind=dead"
    while path:
        shown = await operator.open(path)
        seen += shown.tree.xpath("//tr[starts-with(@id, 'dead-')]/@id")
        path = next(iter(shown.tree.xpath("//a[text()='Next']/@href")), None)
    assert sorted(seen) == sorted(f"dead-{dead_letter_id}" for dead_letter_id in expected)


async def test_malformed_filters_are_refused(operator: Visit) -> None:
    for query in ("id=x", "property=x", "after=x", "after=2026-01-01_x"):
        assert (await operator.open(f"{PATH}?kind=dead&{query}")).status == 400, query
    assert (await operator.open(f"{PATH}/dead/{uuid4()}")).status == 404
    assert (await operator.open(f"{PATH}/parked/{uuid4()}")).status == 404
    assert (await operator.open(f"{PATH}/dead/drop?status=dropped")).status == 400


async def test_a_retry_is_an_action_and_a_request_once(operator: Visit) -> None:
    world = operator.site.world
    await make_parked(world)
    path = f"{PATH}/parked/retry"
    refused = await operator.post(path, {"reason": ""})
    assert (refused.status, await read_actions(world)) == (400, [])
    shown = await operator.open(path)
    assert "1 parked event," in shown.text
    fields = {**shown.form(path), "reason": "the importer is fixed"}
    for _ in range(2):
        response = await operator.client.post(
            path, data=fields, headers={"Sec-Fetch-Site": "same-origin"}
        )
        assert response.status_code == 303
    [action] = await read_actions(world)
    assert (action["action"], action["reason"]) == ("retry_parked", "the importer is fixed")
    async with world.pool.acquire() as conn:
        [request] = await list_requests(conn, [RequestKind.RETRY_PARKED])
    assert (request.id, request.status) == (action["id"], "waiting")
    assert f'id="request-{request.id}"' in (await operator.open(PATH)).response.text


async def test_a_drop_of_a_parked_event_is_an_event_with_actor_and_reason(
    operator: Visit,
) -> None:
    world = operator.site.world
    event_id = await make_parked(world)
    path = f"{PATH}/parked/{event_id}/drop"
    form = (await operator.open(path)).form(path)
    response = await operator.client.post(
        path, data={**form, "reason": "a test of a producer"},
        headers={"Sec-Fetch-Site": "same-origin"},
    )  # fmt: skip
    assert response.status_code == 303
    event = await world.pool.fetchrow(
        "SELECT * FROM crm_events WHERE event_type = 'parked.dropped'"
    )
    [action] = await read_actions(world)
    assert event is not None
    assert event["actor"] == f"user:{action['operator_id']}"
    assert event["payload"]["dropped_event_id"] == str(event_id)
    assert event["payload"]["reason"] == "a test of a producer"
    assert action["target"] == {"event_id": str(event_id)}
    async with world.pool.acquire() as conn:
        [request] = await list_requests(conn, [RequestKind.RETRY_PARKED])
    assert request.id == action["id"]


async def test_an_event_that_is_not_parked_any_more_is_not_dropped(operator: Visit) -> None:
    world = operator.site.world
    event_id = await make_parked(world)
    path = f"{PATH}/parked/{event_id}/drop"
    form = (await operator.open(path)).form(path)
    await world.pool.execute("DELETE FROM crm.parked")
    response = await operator.client.post(
        path, data={**form, "reason": "late"}, headers={"Sec-Fetch-Site": "same-origin"}
    )
    assert response.status_code in (404, 409)
    assert await read_actions(world) == []


async def test_a_redrive_shows_what_it_will_do_and_the_intake_does_it(
    operator: Visit, settings: Settings
) -> None:
    world = operator.site.world
    dead_letter_id, profile_id = await make_dead_letter(world)
    await make_dead_letter(world, source="another")
    path = f"{PATH}/dead/redrive?id={dead_letter_id}"
    shown = await operator.open(path)
    assert "1 open record will be processed again" in shown.text
    assert "activity.recorded" in shown.text
    async with world.pool.acquire() as conn:
        await conn.execute(
            "INSERT INTO profiles (id, org_id, role) VALUES ($1, $2, 'manager')",
            profile_id, world.org_id,
        )  # fmt: skip
    done = await operator.send(path, {"reason": "the profile exists now"})
    assert "processed again" in done.text
    [action] = await read_actions(world)
    assert (action["action"], action["target"]["ids"]) == ("redrive", [str(dead_letter_id)])

    stop = asyncio.Event()
    redriving = asyncio.create_task(
        redrive_requests.redrive_requested(settings, IntakeSettings(), world.pool, stop)
    )

    async def is_done() -> bool:
        async with world.pool.acquire() as conn:
            return not (await list_requests(conn, [RequestKind.REDRIVE]))[0].is_open

    await until(is_done)
    stop.set()
    await redriving
    async with world.pool.acquire() as conn:
        [request] = await list_requests(conn, [RequestKind.REDRIVE])
    assert request.status == "done", request.error
    assert request.result == {"accepted": 1, "duplicate": 0, "waiting": 0, "dead": 0}
    statuses = await world.pool.fetch("SELECT id, status FROM crm.dead_letters")
    assert {row["id"]: row["status"] for row in statuses}[dead_letter_id] == "redriven"
    assert sorted(row["status"] for row in statuses) == ["open", "redriven"]
    assert "accepted: 1" in (await operator.open(PATH)).text


async def test_a_bulk_drop_marks_only_what_the_filter_selects(operator: Visit) -> None:
    world = operator.site.world
    await make_dead_letter(world, source="first")
    await make_dead_letter(world, source="second")
    shown = await operator.open(f"{PATH}?kind=dead&source=first")
    [path] = [link for link in shown.links() if "/dead/drop" in link]
    assert "1 open record" in (await operator.open(path)).text
    done = await operator.send(path, {"reason": "a broken producer"})
    assert "Dropped: 1 record." in done.text
    rows = await world.pool.fetch("SELECT ce_source, status FROM crm.dead_letters")
    assert {row["ce_source"]: row["status"] for row in rows} == {
        "first": "dropped", "second": "open",
    }  # fmt: skip
    [action] = await read_actions(world)
    assert (action["action"], action["target"]["source"]) == ("drop_dead_letters", "first")


async def test_the_content_of_a_record_is_hidden_until_an_operator_asks(operator: Visit) -> None:
    world = operator.site.world
    dead_letter_id, _ = await make_dead_letter(world)
    path = f"{PATH}/dead/{dead_letter_id}"
    shown = await operator.open(path)
    assert "parking" not in shown.response.text
    assert "unknown profile" in shown.text or "profile" in shown.answer
    shown = await operator.send(f"{path}/content", {"reason": "a question of the producer"})
    assert "wants <i>parking</i>" in shown.text
    [action] = await read_actions(world)
    assert (action["action"], action["target"]) == (
        "read_dead_letter", {"dead_letter_id": str(dead_letter_id)},
    )  # fmt: skip


async def test_a_retry_shows_first_the_rows_that_it_would_change(operator: Visit) -> None:
    world = operator.site.world
    lead = uuid4()
    await world.append(world.new(world.captured(lead, email="ann.hidden@example.com")))
    await world.number()
    event_id = await park_lead(world, lead)
    await world.project()
    before = await read_state(world)
    path = f"{PATH}/parked/retry"
    for address in (path, f"{path}?event={event_id}"):
        shown = await operator.open(address)
        assert "1 event would be applied, 0 would stay parked" in shown.text
        assert "1 in leads" in shown.text
        rows = [
            " ".join(" ".join(row.xpath("td//text()")).split())
            for row in shown.tree.xpath("//tr[@data-row]")
        ]
        assert f"leads {lead} status none new" in rows
        assert f"leads {lead} email none (personal, hidden)" in rows
        assert "ann.hidden" not in shown.response.text
    assert await read_state(world) == before, "nothing was written"
    assert (await operator.open(f"{path}?event=x")).status == 404


async def test_a_redrive_is_tried_first_and_rolled_back(
    operator: Visit, settings: Settings
) -> None:
    world = operator.site.world
    dead_letter_id, profile_id = await make_dead_letter(world)
    await make_dead_letter(world, source="another")
    await world.pool.execute(
        "INSERT INTO profiles (id, org_id, role) VALUES ($1, $2, 'manager')",
        profile_id, world.org_id,
    )  # fmt: skip
    await operator.site.project()
    before = await read_intake_state(world)
    path = f"{PATH}/dead/preview?source=%3Cb%3Eweb%3C/b%3E"
    shown = await operator.send(path)
    assert shown.answer == "The intake has not tried it yet."
    await redrive_all(operator, settings)
    assert await read_intake_state(world) == before
    shown = await operator.open(str(shown.response.url.path))
    assert shown.answer.startswith("Of 1 record, 1 would be accepted")
    assert "1 in lead_activities" in shown.text
    assert "(personal, hidden)" in shown.text
    assert "parking" not in shown.response.text
    [redrive] = [link for link in shown.links() if "/dead/redrive" in link]
    assert "1 open record will be processed" in (await operator.open(redrive)).text
    await operator.send(f"{PATH}/dead/preview?source=another")
    await redrive_all(operator, settings)
    async with world.pool.acquire() as conn:
        [newest, _] = await list_requests(conn, [RequestKind.PREVIEW_REDRIVE])
    assert newest.result is not None
    assert (newest.result["accepted"], newest.result["dead"]) == (0, 1)
    assert newest.result["preview"]["refused"][0]["reason"] == "unknown_profile"
    assert str(dead_letter_id) not in str(newest.result)


async def read_intake_state(world: World) -> list[list[asyncpg.Record]]:
    return [
        list(await world.pool.fetch(f"SELECT * FROM {table} ORDER BY 1, 2"))
        for table in ("crm_events", "crm.dead_letters", "crm.intake_waiting",
                      "crm.intake_outcomes", "lead_activities", "leads")
    ]  # fmt: skip
