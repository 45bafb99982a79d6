"""The events of the log: who sees which, how they are found, and who reads personal values."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.api.console import event_log
from tests.services.api.console.visits import Visit, open_visit
from tests.services.api.site import Site
from tests.world import make_world

PATH = "/console/events"


@pytest.fixture
async def admin(site_in_process: Site) -> AsyncIterator[Visit]:
    async with open_visit(site_in_process, site_in_process.admin) as visit:
        yield visit


async def find_event(visit: Visit, lead_id: UUID, event_type: str) -> asyncpg.Record:
    await visit.site.project()
    [row] = await visit.site.world.pool.fetch(
        "SELECT * FROM crm_events WHERE lead_id = $1 AND event_type = $2", lead_id, event_type
    )
    return row


async def read_actions(visit: Visit) -> list[asyncpg.Record]:
    return list(await visit.site.world.pool.fetch("SELECT * FROM crm.operator_actions"))


async def read_accounts(visit: Visit) -> list[asyncpg.Record]:
    return list(await visit.site.world.pool.fetch("SELECT * FROM crm.payload_reads ORDER BY id"))


async def test_events_are_for_operators_and_admins(
    operator: Visit, admin: Visit, manager: Visit, viewer: Visit
) -> None:
    lead = await admin.site.create_lead()
    event = await find_event(admin, lead, "lead.captured")
    for path in (PATH, f"{PATH}/{event['id']}", f"{PATH}/{event['id']}/values"):
        for allowed in (operator, admin):
            assert (await allowed.open(path)).status == 200
            assert PATH in (await allowed.open(PATH)).links()
        for refused in (manager, viewer):
            assert (await refused.open(path)).status == 403
            assert PATH not in (await refused.open("/console")).links()
    for refused in (manager, viewer):
        shown = await refused.post(f"{PATH}/{event['id']}/values", {"reason": "I want to"})
        assert shown.status == 403
    assert await read_actions(admin) == []


async def test_an_admin_sees_the_own_organisation_only(admin: Visit, operator: Visit) -> None:
    other = await make_world(admin.site.world.pool)
    lead = uuid4()
    await other.append(other.new(other.captured(lead)))
    event = await find_event(operator, lead, "lead.captured")
    path = f"{PATH}/{event['id']}"
    assert path in (await operator.open(PATH)).links()
    assert path not in (await admin.open(PATH)).links()
    assert path not in (await admin.open(f"{PATH}?lead={lead}")).links()
    assert (await admin.open(path)).status == 404
    assert (await admin.open(f"{path}/values")).status == 404
    assert (await admin.post(f"{path}/values", {"reason": "curious"})).status == 404
    assert await read_actions(admin) == []


async def test_events_are_found_by_type_stream_lead_and_property(operator: Visit) -> None:
    site = operator.site
    lead, other = await site.create_lead(), await site.create_lead()
    event = await find_event(operator, lead, "lead.captured")
    another = await find_event(operator, other, "lead.captured")
    path, other_path = (f"{PATH}/{row['id']}" for row in (event, another))
    for query in (f"lead={lead}", f"entity=lead&id={lead}", f"id={lead}&type=lead.captured"):
        links = (await operator.open(f"{PATH}?{query}")).links()
        assert path in links, query
        assert other_path not in links, query
    assert {path, other_path} <= (await operator.open(f"{PATH}?type=lead.captured")).links()
    shown = await operator.open(f"{PATH}?property={site.property_id}")
    assert path in shown.links()
    assert f"lead …{str(lead)[-8:]}" in shown.text
    shown = await operator.open(f"{PATH}?property={uuid4()}")
    assert "No event matches" in shown.answer


async def test_an_event_shows_its_trace_and_the_events_of_it(operator: Visit, admin: Visit) -> None:
    trace_id = uuid4().hex
    body = {"propertyId": str(admin.site.property_id), "email": "ada@example.com"}
    headers = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-00"}
    response = await admin.site.client.post(
        "/api/leads", json=body, headers=admin.site.console_headers(more=headers)
    )
    event = await find_event(admin, UUID(response.json()["lead"]["id"]), "lead.captured")
    for visit in (operator, admin):
        shown = await visit.open(f"{PATH}/{event['id']}")
        assert trace_id in shown.text
        assert "not recorded" in shown.text
        listed = await visit.open(f"{PATH}?trace={trace_id}")
        assert f"{PATH}/{event['id']}" in listed.links()
        other = await visit.open(f"{PATH}?trace={uuid4().hex}")
        assert f"{PATH}/{event['id']}" not in other.links()


async def test_events_are_found_by_the_time_at_which_they_were_recorded(operator: Visit) -> None:
    lead = await operator.site.create_lead()
    event = await find_event(operator, lead, "lead.captured")
    path = f"{PATH}/{event['id']}"
    assert path in (await operator.open(f"{PATH}?from=2020-01-01T00:00")).links()
    assert path not in (await operator.open(f"{PATH}?from=2100-01-01T00:00")).links()
    assert path not in (await operator.open(f"{PATH}?until=2020-01-01T00:00")).links()
    exact = event["recorded_at"].isoformat()
    for name, is_found in (("from", True), ("until", False)):
        shown = await operator.open(f"{PATH}?{name}={exact.replace('+', '%2B')}")
        assert (path in shown.links()) is is_found


async def test_pages_continue_before_the_last_position(
    operator: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "PAGE_SIZE", 3)
    await operator.site.create_lead()
    await operator.site.project()
    seen: list[str] = []
    path: str | None = PATH
    while path is not None:
        shown = await operator.open(path)
        seen += shown.tree.xpath("//tr[@data-row]/@id")
        older = shown.tree.xpath("//a[text()='Older']/@href")
        path = older[0] if older else None
    rows = await operator.site.world.pool.fetch("SELECT id FROM crm_events ORDER BY position DESC")
    assert seen == [f"event-{row['id']}" for row in rows]


async def test_a_page_looks_at_a_limited_part_of_the_log(
    operator: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "SCANNED_POSITIONS", 2)
    lead = await operator.site.create_lead()
    event = await find_event(operator, lead, "lead.captured")
    for _ in range(3):
        await operator.site.create_lead()
    await operator.site.project()
    path = f"{PATH}/{event['id']}"
    shown = await operator.open(f"{PATH}?property={operator.site.property_id}&type=lead.captured")
    assert path not in shown.links()
    for _ in range(10):
        [older] = shown.tree.xpath("//a[text()='Older']/@href")
        shown = await operator.open(older)
        if path in shown.links():
            break
    assert path in shown.links()
    # An index leads to the events of a lead, so all are looked at.
    assert path in (await operator.open(f"{PATH}?lead={lead}")).links()


async def test_wrong_filters_are_named_and_left_out(operator: Visit) -> None:
    shown = await operator.open(f"{PATH}?lead=<b>x</b>&from=yesterday&before=-1")
    assert shown.status == 200
    assert "lead: “<b>x</b>” is no id" in shown.text
    assert "“yesterday” is no time" in shown.text
    assert "“-1” is no position" in shown.text


async def test_personal_values_are_hidden_until_a_person_asks_with_a_reason(
    operator: Visit,
) -> None:
    lead = await operator.site.create_lead(firstName="Ann<b>", email="ann.hidden@example.com")
    event = await find_event(operator, lead, "lead.captured")
    path = f"{PATH}/{event['id']}"
    shown = await operator.open(path)
    assert "personal, hidden" in shown.text
    assert "ann.hidden" not in shown.response.text
    assert await read_accounts(operator) == []

    refused = await operator.send(f"{path}/values", {"reason": " "})
    assert refused.status == 400
    assert "give the reason" in refused.text
    assert "ann.hidden" not in refused.response.text

    shown = await operator.send(f"{path}/values", {"reason": "the person asked for it"})
    assert "ann.hidden@example.com" in shown.text
    assert "Ann<b>" in shown.text
    [action] = await read_actions(operator)
    assert (action["action"], action["target"], action["reason"]) == (
        "read_personal_values", {"event_id": str(event["id"])}, "the person asked for it",
    )  # fmt: skip
    [account] = await read_accounts(operator)
    assert account["reader"] == f"operator:{action['operator_id']}"
    assert account["event_ids"] == [event["id"]]
    assert account["org_id"] == operator.site.world.org_id

    await operator.open(path)
    assert len(await read_accounts(operator)) == 2, "each view is accounted"


async def test_values_are_shown_only_to_the_person_who_read_them(
    operator: Visit, admin: Visit
) -> None:
    lead = await admin.site.create_lead(email="ann.hidden@example.com")
    event = await find_event(admin, lead, "lead.captured")
    path = f"{PATH}/{event['id']}"
    shown = await admin.send(f"{path}/values", {"reason": "a question of the person"})
    assert "ann.hidden@example.com" in shown.text
    [account] = await read_accounts(admin)
    assert account["reader"] == f"user:{admin.site.admin}"
    assert "ann.hidden" not in (await operator.open(path)).response.text


async def test_a_form_that_is_sent_twice_is_one_action(operator: Visit) -> None:
    lead = await operator.site.create_lead()
    event = await find_event(operator, lead, "lead.captured")
    fields = {"reason": "twice", "command_id": str(uuid4())}
    for _ in range(2):
        await operator.post(f"{PATH}/{event['id']}/values", fields)
    assert len(await read_actions(operator)) == 1


async def test_an_event_links_to_its_causes_and_effects(operator: Visit) -> None:
    site = operator.site
    chat = await site.send_chat("hello")
    await site.project()
    rows = await site.world.pool.fetch(
        "SELECT * FROM crm_events WHERE causation_id IS NOT NULL AND property_id = $1",
        site.property_id,
    )
    assert chat["conversationId"]
    effect = rows[0]
    shown = await operator.open(f"{PATH}/{effect['id']}")
    assert f"{PATH}/{effect['causation_id']}" in shown.links()
    shown = await operator.open(f"{PATH}/{effect['causation_id']}")
    assert f"{PATH}/{effect['id']}" in shown.links()


async def test_an_unknown_event_is_not_found(operator: Visit) -> None:
    assert (await operator.open(f"{PATH}/{uuid4()}")).status == 404
    assert (await operator.open(f"{PATH}/x")).status == 404
