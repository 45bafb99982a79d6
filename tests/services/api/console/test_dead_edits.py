"""Refused records that an operator corrects and sends again as new ones."""

import json
from uuid import uuid4

from services.runtime.settings import Settings
from tests.services.api.console.refused_events import (
    PATH,
    make_dead_letter,
    open_content,
    read_actions,
    redrive_all,
)
from tests.services.api.console.visits import Visit
from tests.world import make_world

FORMS = ("/dead/redrive", "/dead/preview", "/dead/drop", "/parked/retry")


async def test_an_edited_record_is_a_new_event_with_actor_cause_and_reason(
    operator: Visit, settings: Settings
) -> None:
    world = operator.site.world
    dead_letter_id, _ = await make_dead_letter(world)
    path = f"{PATH}/dead/{dead_letter_id}/edit"
    shown = await operator.open(path)
    assert "parking" not in shown.response.text, "the content was not opened"
    assert f"{PATH}/dead/{dead_letter_id}/content" in shown.links()
    await open_content(operator, dead_letter_id)
    form = (await operator.open(path)).form(path)
    data = json.loads(form["data"])
    assert data["description"] == "wants <i>parking</i>"
    del data["created_by"]
    fields = {**form, "data": json.dumps(data), "reason": "the agent <b>left</b>"}
    for _ in range(2):
        shown = await operator.post(path, fields)
        assert "The new record is processed" in shown.text or shown.status == 200
    await redrive_all(operator, settings)
    old = await world.pool.fetchrow("SELECT * FROM crm.dead_letters WHERE id = $1", dead_letter_id)
    assert old is not None
    [new] = await world.pool.fetch(
        "SELECT * FROM crm.dead_letters WHERE id = $1", old["replaced_by"]
    )
    assert (old["status"], new["status"]) == ("replaced", "redriven")
    [action] = [row for row in await read_actions(world) if row["action"] == "edit_dead_letter"]
    [event] = await world.pool.fetch(
        "SELECT * FROM crm_events WHERE event_type = 'activity.recorded'"
    )
    assert event["id"] == new["event_id"] != old["event_id"]
    assert event["actor"] == f"user:{action['operator_id']}"
    assert event["causation_id"] == dead_letter_id
    [explained] = await world.pool.fetch(
        "SELECT * FROM crm_events WHERE event_type = 'change.explained'"
    )
    assert explained["payload"]["explained_event_id"] == str(event["id"])
    assert explained["actor"] == event["actor"]
    assert action["reason"] == "the agent <b>left</b>"
    assert await world.pool.fetchval("SELECT count(*) FROM crm.operator_requests") == 1
    assert (
        f"{PATH}/dead/{new['id']}" in (await operator.open(f"{PATH}/dead/{dead_letter_id}")).links()
    )
    assert (await operator.open(path)).status == 409, "a replaced record is edited once"


async def test_wrong_data_are_refused_with_their_place(operator: Visit) -> None:
    world = operator.site.world
    dead_letter_id, _ = await make_dead_letter(world)
    await open_content(operator, dead_letter_id)
    path = f"{PATH}/dead/{dead_letter_id}/edit"
    data = json.loads((await operator.open(path)).form(path)["data"])
    wrong = {
        '{\n  "lead_id": oops}': "line 2, column 14",
        json.dumps({**data, "lead_id": "<b>x</b>"}): "activity.recorded: lead_id: ",
        json.dumps({**data, "colour": "red"}): "activity.recorded: colour: ",
        json.dumps({**data, "property_id": str(uuid4())}): "propertyid and data.property_id differ",
        "[1]": "not an object",
    }
    for text, place in wrong.items():
        shown = await operator.send(path, {"data": text, "reason": "a test"})
        assert shown.status == 400, text
        assert place in shown.text
        assert shown.form(path)["data"] == text, "what was entered is kept"
    assert (await operator.send(path, {"data": json.dumps(data), "reason": ""})).status == 400
    assert await world.pool.fetchval("SELECT count(*) FROM crm.dead_letters") == 1
    assert await world.pool.fetchval("SELECT count(*) FROM crm.operator_requests") == 0


async def test_an_edited_record_reaches_no_other_tenant(
    operator: Visit, settings: Settings
) -> None:
    world = operator.site.world
    other = await make_world(world.pool)
    lead = uuid4()
    await other.append(other.new(other.captured(lead)))
    dead_letter_id, _ = await make_dead_letter(world)
    await open_content(operator, dead_letter_id)
    path = f"{PATH}/dead/{dead_letter_id}/edit"
    data = json.loads((await operator.open(path)).form(path)["data"])
    del data["created_by"]
    await operator.send(
        path, {"data": json.dumps({**data, "lead_id": str(lead)}), "reason": "a test"}
    )
    await redrive_all(operator, settings)
    assert not await world.pool.fetchval(
        "SELECT count(*) FROM crm_events WHERE event_type = 'activity.recorded'"
    )
