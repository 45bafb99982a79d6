"""The work of a day for agents, over HTTP."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from events.conversations import ConversationWaiting
from events.leads import LeadStatus, LeadStatusChanged
from events.restrictions import LeadRestricted
from events.tours import TourCancelled, TourScheduled, TourType
from services.api.routes.today import MAX_ROWS
from tests.services.api.leads_to_call import (
    capture_hot_lead,
    capture_lead,
    contact_lead,
    make_hot,
)
from tests.services.api.site import TIME_ZONE, Site, create_second_property

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


async def read_today(site: Site, property_id: UUID | None = None) -> dict[str, Any]:
    response = await site.client.get(
        "/api/today", params={"propertyId": str(property_id or site.property_id)},
        headers=site.console_headers(site.viewer),
    )  # fmt: skip
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def read_reasons(site: Site) -> dict[UUID, list[str]]:
    """Return lead → the reasons to call it, in the order of the list."""
    await site.project()
    found = await read_today(site)
    return {
        UUID(lead["id"]): [reason["reason"] for reason in lead["reasons"]]
        for lead in found["leads"]
    }


async def test_a_day_without_work_has_empty_lists(site: Site) -> None:
    found = await read_today(site)
    local_day = datetime.now(UTC).astimezone(ZoneInfo(found["timeZone"])).date()
    assert found == {
        "date": local_day.isoformat(), "timeZone": TIME_ZONE, "leads": [], "hasMoreLeads": False,
        "tours": [], "conversations": [], "hasMoreConversations": False, "tasks": [],
        "hasMoreTasks": False,
    }  # fmt: skip


async def test_an_erased_person_is_not_to_be_called(site: Site) -> None:
    lead = await capture_hot_lead(site, datetime.now(UTC) - 2 * HOUR)
    assert list(await read_reasons(site)) == [lead]
    response = await site.client.post(
        f"/api/privacy/leads/{lead}/erasure", json={"reason": "request 7"},
        headers=site.console_headers(site.admin),
    )  # fmt: skip
    assert response.status_code == 202, response.text
    assert await read_reasons(site) == {}


async def test_a_hot_lead_is_to_be_called_until_somebody_does(site: Site) -> None:
    now = datetime.now(UTC)
    lead = await capture_hot_lead(site, now - 2 * HOUR)
    await site.project()
    [row] = (await read_today(site))["leads"]
    assert (row["id"], row["score_bucket"]) == (str(lead), "hot")
    [reason] = row["reasons"]
    assert reason["reason"] == "newly_hot"
    assert datetime.fromisoformat(reason["since"]) == now - 2 * HOUR
    await contact_lead(site, lead, now - HOUR)
    assert await read_reasons(site) == {}


async def test_a_contact_before_the_lead_became_hot_does_not_count(site: Site) -> None:
    now = datetime.now(UTC)
    lead = await capture_lead(site, now - 5 * HOUR)
    await contact_lead(site, lead, now - 4 * HOUR)
    await make_hot(site, lead, now - 3 * HOUR)
    assert await read_reasons(site) == {lead: ["newly_hot"]}


async def test_a_later_event_of_a_hot_lead_does_not_make_it_newly_hot(site: Site) -> None:
    now = datetime.now(UTC)
    lead = await capture_hot_lead(site, now - 2 * DAY)
    await site.world.append(site.world.new(site.world.engagement(lead), at=now - HOUR))
    await site.project()
    [row] = (await read_today(site))["leads"]
    [reason] = row["reasons"]
    assert reason["reason"] == "hot"
    assert datetime.fromisoformat(reason["since"]) == now - 2 * DAY


async def test_a_hot_lead_without_contact_for_days_is_called_again(site: Site) -> None:
    now = datetime.now(UTC)
    lead = await capture_hot_lead(site, now - 6 * DAY, source="Referral")
    await contact_lead(site, lead, now - 4 * DAY)
    await site.project()
    [row] = (await read_today(site))["leads"]
    [reason] = row["reasons"]
    assert reason["reason"] == "no_contact"
    assert datetime.fromisoformat(reason["since"]) == now - 4 * DAY


async def test_a_warm_lead_is_called_once(site: Site) -> None:
    now = datetime.now(UTC)
    lead = await capture_lead(site, now - HOUR)
    assert await read_reasons(site) == {lead: ["no_contact"]}
    await contact_lead(site, lead, now)
    assert await read_reasons(site) == {}


@pytest.mark.parametrize("status", ["leased", "lost"])
async def test_nobody_calls_a_lead_that_is_decided(status: str, site: Site) -> None:
    lead = await capture_hot_lead(site, datetime.now(UTC) - HOUR)
    await site.world.append(
        site.world.new(LeadStatusChanged(lead_id=lead, status=LeadStatus(status)))
    )
    assert await read_reasons(site) == {}


async def test_nobody_calls_a_lead_whose_data_is_restricted(site: Site) -> None:
    lead = await capture_hot_lead(site, datetime.now(UTC) - HOUR)
    await site.world.append(
        site.world.new(LeadRestricted(lead_id=lead, reason="accuracy"), at=datetime.now(UTC))
    )
    assert await read_reasons(site) == {}


async def test_a_visitor_who_waits_comes_first_and_until_an_agent_replies(site: Site) -> None:
    hot = await capture_hot_lead(site, datetime.now(UTC) - HOUR)
    turn = await site.send_chat(
        "I need a person", leadInfo={"email": "grace@example.com", "firstName": "Grace"}
    )
    waiting = ConversationWaiting(conversation_id=turn["conversationId"], reason="bot_failed")
    await site.world.append(site.world.new(waiting, at=datetime.now(UTC)))
    await site.project()
    found = await read_today(site)
    grace, ada = found["leads"]
    assert ada["id"] == str(hot)
    assert grace["first_name"] == "Grace"
    assert grace["reasons"][0]["reason"] == "waiting_for_person"
    assert grace["reasons"][0]["conversation_id"] == turn["conversationId"]
    [conversation] = found["conversations"]
    assert (conversation["id"], conversation["waiting_for_human"]) == (turn["conversationId"], True)
    await site.client.post(
        f"/api/conversations/{turn['conversationId']}/takeover", headers=site.console_headers()
    )
    await site.project()
    found = await read_today(site)
    assert found["conversations"] == []


async def test_a_conversation_waits_while_its_agent_has_not_replied(site: Site) -> None:
    turn = await site.send_chat("hello")
    path = f"/api/conversations/{turn['conversationId']}"
    more = {"sessionId": turn["sessionId"], "conversationId": turn["conversationId"]}
    await site.client.post(f"{path}/takeover", headers=site.console_headers())
    await site.project()
    assert (await read_today(site))["conversations"] == []
    await site.send_chat("Is anybody there? " + "x" * 100, **more)
    await site.send_chat("Hello?", **more)
    await site.project()
    [row] = (await read_today(site))["conversations"]
    assert (row["is_human_mode"], row["human_agent_name"], row["lead"]) == (True, "Sam", None)
    assert row["lastMessage"]["content"] == "Hello?"
    assert row["waiting_since"] < row["lastMessage"]["created_at"]
    await site.client.post(
        f"{path}/messages", json={"content": "Yes."}, headers=site.console_headers()
    )
    await site.project()
    assert (await read_today(site))["conversations"] == []


async def test_who_waits_is_the_lead_into_which_the_visitor_was_merged(site: Site) -> None:
    winner = await site.create_lead(firstName="Ada")
    details = {"email": "grace@example.com", "firstName": "Grace"}
    turn = await site.send_chat("I need a person", leadInfo=details)
    waiting = ConversationWaiting(conversation_id=turn["conversationId"], reason="bot_failed")
    await site.world.append(site.world.new(waiting, at=datetime.now(UTC)))
    await site.project()
    loser = await site.find_lead("grace@example.com")
    response = await site.client.post(
        f"/api/leads/{loser}/merge", json={"intoLeadId": str(winner)},
        headers=site.console_headers(),
    )  # fmt: skip
    assert response.status_code == 200, response.text
    assert (await read_reasons(site))[winner][0] == "waiting_for_person"
    assert loser not in await read_reasons(site)


async def test_tours_are_those_of_today_and_tomorrow_in_the_zone_of_the_property(
    site: Site,
) -> None:
    lead = await site.create_lead(firstName="Ada")
    zone = ZoneInfo(TIME_ZONE)
    today = datetime.now(zone).date()
    tours: dict[int, UUID] = {}
    for offset in (2, 1, 0, -1):
        tours[offset] = uuid4()
        starts_at = datetime.combine(today + offset * DAY, time(23, 30), zone)
        event = TourScheduled(
            tour_id=tours[offset], lead_id=lead, tour_date=starts_at.date(),
            tour_time=starts_at.time(), time_zone=TIME_ZONE, fold=0, starts_at=starts_at,
            duration_minutes=30, tour_type=TourType.VIRTUAL, source="console",
            assigned_agent_id=site.manager,
        )  # fmt: skip
        await site.world.append(site.world.new(event))
    await site.project()
    rows = (await read_today(site))["tours"]
    assert [row["id"] for row in rows] == [str(tours[0]), str(tours[1])]
    first = rows[0]
    assert (first["tour_time"], first["agent_name"]) == ("23:30:00", "Sam")
    assert first["lead"]["first_name"] == "Ada"
    await site.world.append(site.world.new(TourCancelled(tour_id=tours[0], lead_id=lead)))
    await site.project()
    assert [row["id"] for row in (await read_today(site))["tours"]] == [str(tours[1])]


async def test_open_tasks_are_listed_by_their_due_time(site: Site) -> None:
    lead = await site.create_lead(firstName="Ada")
    ids = []
    for title, due_at in (("later", NEXT_WEEK), ("some day", None), ("soon", TOMORROW)):
        response = await site.client.post(
            f"/api/leads/{lead}/tasks", json={"title": title, "dueAt": due_at},
            headers=site.console_headers(),
        )  # fmt: skip
        ids.append(response.json()["task"]["id"])
    await site.project()
    rows = (await read_today(site))["tasks"]
    assert [row["title"] for row in rows] == ["soon", "later", "some day"]
    assert rows[0]["lead"]["first_name"] == "Ada"
    await site.client.patch(
        f"/api/tasks/{ids[2]}", json={"done": True}, headers=site.console_headers()
    )
    await site.project()
    assert [row["title"] for row in (await read_today(site))["tasks"]] == ["later", "some day"]


TOMORROW = (datetime.now(UTC) + DAY).isoformat()
NEXT_WEEK = (datetime.now(UTC) + 7 * DAY).isoformat()


async def test_a_list_is_cut_at_its_limit_and_says_so(site: Site) -> None:
    for _ in range(MAX_ROWS + 1):
        await capture_lead(site, datetime.now(UTC) - HOUR)
    hot = await capture_hot_lead(site, datetime.now(UTC) - HOUR)
    await site.project()
    found = await read_today(site)
    assert (len(found["leads"]), found["hasMoreLeads"]) == (MAX_ROWS, True)
    assert found["leads"][0]["id"] == str(hot)


async def test_each_property_has_its_own_day(site: Site) -> None:
    other = await create_second_property(site.world)
    await capture_hot_lead(site, datetime.now(UTC) - HOUR)
    await site.project()
    assert (await read_today(site, other))["leads"] == []
    response = await site.client.get(
        "/api/today", params={"propertyId": str(uuid4())}, headers=site.console_headers()
    )
    assert response.status_code == 404
