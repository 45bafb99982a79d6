"""The widget's statistics and conversations for console users, compared with counts by hand."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2

from events.conversations import (
    ConversationAnswered,
    ConversationChannel,
    ConversationMessageReceived,
    ConversationReplied,
    ConversationStarted,
)
from events.event import Event
from events.sessions import SessionStarted
from tests.services.api.site import (
    WIDGET_ADMIN,
    WIDGET_LEAD,
    Site,
    create_profile,
    make_bearer_token,
)
from tests.services.api.tour_requests import book, configure_widget, daily_hours, slots_of_day
from tests.services.api.unusual_input import UNUSUAL_VALUES, check_handled
from tests.world import VISITOR, make_world

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


async def read(
    site: Site,
    resource: str,
    query: Mapping[str, Any] | None = None,
    profile_id: UUID | None = None,
) -> httpx2.Response:
    return await site.client.get(
        f"{WIDGET_ADMIN}/{resource}", params={"propertyId": str(site.property_id), **(query or {})},
        headers=site.console_headers(profile_id or site.viewer),
    )  # fmt: skip


async def append_conversation(
    site: Site, at: datetime, lead: UUID | None, *messages: tuple[str, float]
) -> None:
    """Append a session and a conversation at an instant, with messages some seconds later."""
    session, conversation = uuid4(), uuid4()
    ids: dict[str, Any] = {"conversation_id": conversation, "session_id": session, "lead_id": lead}
    events: list[tuple[Event, float]] = [
        (SessionStarted(session_id=session, visitor_hash=VISITOR, lead_id=lead), 0),
        (ConversationStarted(**ids, channel=ConversationChannel.WIDGET), 0),
    ]
    for author, seconds in messages:
        fields = {**ids, "message_id": uuid4(), "content": author}
        match author:
            case "visitor":
                events.append((ConversationMessageReceived(**fields), seconds))
            case "bot":
                events.append((ConversationReplied(**fields, epoch=0), seconds))
            case _:
                events.append((ConversationAnswered(**fields, agent_id=site.manager), seconds))
    await site.world.append(
        *(
            site.world.new(event, at=at + timedelta(seconds=delay_seconds))
            for event, delay_seconds in events
        )
    )


async def test_statistics_equal_the_counts_of_the_log(site: Site) -> None:
    ada, grace = await site.create_lead(), await site.create_lead()
    await append_conversation(
        site,
        NOON,
        ada,
        ("visitor", 1),
        ("bot", 3),
        ("visitor", 10),
        ("visitor", 11),
        ("agent", 20),
        ("visitor", 30),
    )
    await append_conversation(site, NOON, ada, ("visitor", 5), ("bot", 6))
    await append_conversation(site, NOON, grace)
    for _ in range(5):
        await append_conversation(site, NOON, None)
    await site.book_tour(ada)
    await site.project()
    statistics = (await read(site, "stats")).json()
    assert statistics == {
        "totalSessions": 8, "totalConversations": 8, "leadsCapture": 2, "toursBooked": 0,
        "avgResponseTime": (2 + 10 + 9 + 1) / 4, "conversionRate": 25.0,
    }  # fmt: skip


async def test_leads_that_are_merged_in_two_steps_count_once(site: Site) -> None:
    first, second, third, other = [await site.create_lead() for _ in range(4)]
    for lead in (first, second, third, other):
        await append_conversation(site, NOON, lead)
    for loser, winner in ((first, second), (second, third)):
        response = await site.client.post(
            f"/api/leads/{loser}/merge",
            json={"intoLeadId": str(winner)},
            headers=site.console_headers(),
        )
        assert response.status_code == 200, response.text
    await site.project()
    statistics = (await read(site, "stats")).json()
    assert (statistics["totalSessions"], statistics["leadsCapture"]) == (4, 2)


async def test_leads_without_a_session_count_if_the_widget_brought_them(site: Site) -> None:
    await configure_widget(site, tours_enabled=True, tour_hours=daily_hours("09:00", "17:00"))
    await site.project()
    known = await site.create_lead(email="known@example.com")
    await site.create_lead()  # by the console only
    slots = list((await slots_of_day(site)).values())
    for slot, email in zip(slots, ("known@example.com", "new@example.com"), strict=False):
        booked = await book(site, {"slotId": slot["id"]}, email)
        assert booked.status_code == 201, booked.text
    form = await site.client.post(
        WIDGET_LEAD, json={"email": "form@example.com"}, headers=site.widget_headers()
    )
    assert form.status_code == 200, form.text
    await site.project()
    statistics = (await read(site, "stats")).json()
    assert (statistics["leadsCapture"], statistics["toursBooked"]) == (3, 2), known
    assert (statistics["totalSessions"], statistics["conversionRate"]) == (0, 0)
    later = (await read(site, "stats", {"from": "2990-01-01"})).json()
    assert later["leadsCapture"] == 0


async def test_only_sessions_that_started_in_the_range_count(site: Site) -> None:
    ada = await site.create_lead()
    for day in range(3):
        await append_conversation(
            site, NOON + timedelta(days=day), ada, ("visitor", 1), ("bot", 2 + day)
        )
    await site.project()

    async def read_range(**edges: str) -> tuple[int, float | None]:
        response = await read(site, "stats", edges)
        assert response.status_code == 200, response.text
        return response.json()["totalSessions"], response.json()["avgResponseTime"]

    assert await read_range() == (3, 2.0)
    assert await read_range(**{"from": "2026-03-11"}) == (2, 2.5)
    assert await read_range(to="2026-03-11") == (2, 1.5)
    assert await read_range(**{"from": "2026-03-11", "to": "2026-03-11"}) == (1, 2.0)
    assert await read_range(**{"from": "2026-03-11T12:00:00Z"}) == (2, 2.5)
    assert await read_range(**{"from": "2026-03-11T12:00:00.5Z", "to": "2026-03-12T12:00:00Z"}) == (
        0, 2.0,
    )  # fmt: skip
    assert await read_range(**{"from": "2030-01-01"}) == (0, None)


async def test_a_date_is_a_day_in_the_property_s_time_zone(site: Site) -> None:
    late = datetime(2026, 3, 11, 3, 30, tzinfo=UTC)  # 23:30 of the day before in New York
    await append_conversation(site, late, None)
    await site.project()
    for day, count in (("2026-03-10", 1), ("2026-03-11", 0)):
        response = await read(site, "stats", {"from": day, "to": day})
        assert response.json()["totalSessions"] == count


async def test_statistics_of_an_empty_property_divide_by_nothing(site: Site) -> None:
    statistics = (await read(site, "stats")).json()
    assert (statistics["conversionRate"], statistics["avgResponseTime"]) == (0, None)


async def test_console_users_see_the_conversations_of_the_widget(site: Site) -> None:
    first = await site.send_chat("hello", visitor="v_1")
    await site.client.post(
        WIDGET_LEAD,
        json={"sessionId": first["sessionId"], "firstName": "Ada", "lastName": "Lovelace",
              "email": "ada@example.com"},
        headers=site.widget_headers(),
    )  # fmt: skip
    second = await site.send_chat("y" * 60, visitor="v_2")
    by_mail = ConversationStarted(conversation_id=uuid4(), channel=ConversationChannel.EMAIL)
    await site.world.append(site.world.new(by_mail))
    await site.project()
    listed = (await read(site, "conversations")).json()["conversations"]
    assert [conversation["id"] for conversation in listed] == [
        second["conversationId"],
        first["conversationId"],
    ]
    assert listed[1] | {"created_at": None} == {
        "id": first["conversationId"], "lead_name": "Ada Lovelace",
        "lead_email": "ada@example.com", "message_count": 2, "is_human_mode": False,
        "created_at": None, "last_message": "Echo: hello",
    }  # fmt: skip
    assert listed[0]["lead_name"] is None
    assert len(listed[0]["last_message"]) == 50
    assert len((await read(site, "conversations", {"limit": 1})).json()["conversations"]) == 1


async def test_every_role_reads_and_other_organisations_do_not(site: Site) -> None:
    world = await make_world(site.world.pool)
    other_admin = await create_profile(world, "admin")
    for resource in ("stats", "conversations"):
        for profile_id in (site.viewer, site.manager, await create_profile(site.world, "admin")):
            assert (await read(site, resource, profile_id=profile_id)).status_code == 200
        query = {"propertyId": str(site.property_id)}
        other_headers = {"Authorization": f"Bearer {make_bearer_token(other_admin)}"}
        response = await site.client.get(
            f"{WIDGET_ADMIN}/{resource}", params=query, headers=other_headers
        )
        assert response.status_code == 404
        assert (
            await site.client.get(f"{WIDGET_ADMIN}/{resource}", params=query)
        ).status_code == 401
        widget = await site.client.get(
            f"{WIDGET_ADMIN}/{resource}", params=query, headers=site.widget_headers()
        )
        assert widget.status_code == 401


async def test_an_invalid_range_is_refused(site: Site) -> None:
    for edges, status in (
        ({"from": "2026-03-02", "to": "2026-02-01"}, 400), ({"to": "9999-12-31"}, 400),
        ({"from": "0001-01-01"}, 200), ({"from": "0001-01-01T00:00:00+14:00"}, 400),
    ):  # fmt: skip
        response = await read(site, "stats", edges)
        assert response.status_code == status, (edges, response.text)
    for value in UNUSUAL_VALUES:
        text = value if isinstance(value, str) and len(value) < 500 else repr(value)[:500]
        for name in ("from", "to", "propertyId", "limit"):
            for resource in ("stats", "conversations"):
                check_handled(await read(site, resource, {name: text}), (resource, name, text))
    async with site.world.pool.acquire() as conn:
        await conn.execute("UPDATE properties SET settings = '{}'")
    without_zone = await read(site, "stats", {"from": "2026-03-02"})
    assert (without_zone.status_code, without_zone.json()["code"]) == (409, "no_time_zone")
    assert (await read(site, "stats", {"from": "2026-03-02T00:00:00Z"})).status_code == 200
