"""What the widget has brought: counted from what really happened, by hand and by the route."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2

from events.chat import (
    ConversationAnswered,
    ConversationChannel,
    ConversationMessageReceived,
    ConversationReplied,
    ConversationStarted,
    SessionStarted,
)
from events.event import Event
from tests.services.api.conftest import Site, employ, token_of
from tests.services.api.test_bad_input import NASTY, check
from tests.world import make_world

ADMIN = "/api/lumaleasing/admin"
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


async def ask(
    site: Site, what: str, query: Mapping[str, Any] | None = None, person: UUID | None = None
) -> httpx2.Response:
    return await site.client.get(
        f"{ADMIN}/{what}", params={"propertyId": str(site.property_id), **(query or {})},
        headers=site.console(person or site.viewer),
    )  # fmt: skip


async def chat(site: Site, at: datetime, lead: UUID | None, *said: tuple[str, float]) -> None:
    """A session and a conversation at an instant; who says something so many seconds later."""
    session, talk = uuid4(), uuid4()
    where: dict[str, Any] = {"conversation_id": talk, "session_id": session, "lead_id": lead}
    told: list[tuple[Event, float]] = [
        (SessionStarted(session_id=session, visitor_id="v_1", lead_id=lead), 0),
        (ConversationStarted(**where, channel=ConversationChannel.WIDGET), 0),
    ]
    for who, seconds in said:
        what = {**where, "message_id": uuid4(), "content": who}
        match who:
            case "visitor":
                told.append((ConversationMessageReceived(**what), seconds))
            case "bot":
                told.append((ConversationReplied(**what, epoch=0), seconds))
            case _:
                told.append((ConversationAnswered(**what, agent_id=site.manager), seconds))
    await site.world.append(
        *(site.world.new(event, at=at + timedelta(seconds=later)) for event, later in told)
    )


async def test_figures_are_measured(site: Site) -> None:
    ada, grace = await site.lead(), await site.lead()
    await chat(site, NOON, ada, ("visitor", 1), ("bot", 3), ("visitor", 10), ("visitor", 11),
               ("agent", 20), ("visitor", 30))  # fmt: skip
    await chat(site, NOON, ada, ("visitor", 5), ("bot", 6))
    await chat(site, NOON, grace)
    for _ in range(5):
        await chat(site, NOON, None)
    await site.tour(ada)
    await site.project()
    found = (await ask(site, "stats")).json()
    assert found == {
        "totalSessions": 8, "totalConversations": 8, "leadsCapture": 2, "toursBooked": 0,
        "avgResponseTime": (2 + 10 + 9 + 1) / 4, "conversionRate": 25.0,
    }  # fmt: skip


async def test_who_was_merged_over_two_steps_is_one_person(site: Site) -> None:
    first, second, third, other = [await site.lead() for _ in range(4)]
    for lead in (first, second, third, other):
        await chat(site, NOON, lead)
    for loser, winner in ((first, second), (second, third)):
        answer = await site.client.post(
            f"/api/leads/{loser}/merge", json={"intoLeadId": str(winner)}, headers=site.console()
        )
        assert answer.status_code == 200, answer.text
    await site.project()
    found = (await ask(site, "stats")).json()
    assert (found["totalSessions"], found["leadsCapture"]) == (4, 2)


async def test_only_what_began_in_the_range_counts(site: Site) -> None:
    ada = await site.lead()
    for day in range(3):
        await chat(site, NOON + timedelta(days=day), ada, ("visitor", 1), ("bot", 2 + day))
    await site.project()

    async def within(**edges: str) -> tuple[int, float | None]:
        answer = await ask(site, "stats", edges)
        assert answer.status_code == 200, answer.text
        return answer.json()["totalSessions"], answer.json()["avgResponseTime"]

    assert await within() == (3, 2.0)
    assert await within(**{"from": "2026-03-11"}) == (2, 2.5)
    assert await within(to="2026-03-11") == (2, 1.5)
    assert await within(**{"from": "2026-03-11", "to": "2026-03-11"}) == (1, 2.0)
    assert await within(**{"from": "2026-03-11T12:00:00Z"}) == (2, 2.5)
    assert await within(**{"from": "2026-03-11T12:00:00.5Z", "to": "2026-03-12T12:00:00Z"}) == (
        0, 2.0,
    )  # fmt: skip
    assert await within(**{"from": "2030-01-01"}) == (0, None)


async def test_a_day_is_the_propertys(site: Site) -> None:
    late = datetime(2026, 3, 11, 3, 30, tzinfo=UTC)  # half past eleven in New York, the day before
    await chat(site, late, None)
    await site.project()
    for day, count in (("2026-03-10", 1), ("2026-03-11", 0)):
        answer = await ask(site, "stats", {"from": day, "to": day})
        assert answer.json()["totalSessions"] == count


async def test_nothing_is_divided_by_nothing(site: Site) -> None:
    found = (await ask(site, "stats")).json()
    assert (found["conversionRate"], found["avgResponseTime"]) == (0, None)


async def test_the_widgets_conversations_are_listed_for_whoever_looks_after_it(site: Site) -> None:
    first = await site.chat("hello", visitor="v_1")
    await site.client.post(
        "/api/lumaleasing/lead",
        json={"sessionId": first["sessionId"], "firstName": "Ada", "lastName": "Lovelace",
              "email": "ada@example.com"},
        headers=site.widget(),
    )  # fmt: skip
    second = await site.chat("y" * 60, visitor="v_2")
    by_mail = ConversationStarted(conversation_id=uuid4(), channel=ConversationChannel.EMAIL)
    await site.world.append(site.world.new(by_mail))
    await site.project()
    listed = (await ask(site, "conversations")).json()["conversations"]
    assert [one["id"] for one in listed] == [second["conversationId"], first["conversationId"]]
    assert listed[1] | {"created_at": None} == {
        "id": first["conversationId"], "lead_name": "Ada Lovelace",
        "lead_email": "ada@example.com", "message_count": 2, "is_human_mode": False,
        "created_at": None, "last_message": "You said: hello",
    }  # fmt: skip
    assert listed[0]["lead_name"] is None
    assert len(listed[0]["last_message"]) == 50
    assert len((await ask(site, "conversations", {"limit": 1})).json()["conversations"]) == 1


async def test_every_role_reads_and_nobody_of_another_organisation(site: Site) -> None:
    world = await make_world(site.world.pool)
    stranger = await employ(world, "admin")
    for what in ("stats", "conversations"):
        for person in (site.viewer, site.manager, await employ(site.world, "admin")):
            assert (await ask(site, what, person=person)).status_code == 200
        query = {"propertyId": str(site.property_id)}
        other = {"Authorization": f"Bearer {token_of(stranger)}"}
        answer = await site.client.get(f"{ADMIN}/{what}", params=query, headers=other)
        assert answer.status_code == 404
        assert (await site.client.get(f"{ADMIN}/{what}", params=query)).status_code == 401
        widget = await site.client.get(f"{ADMIN}/{what}", params=query, headers=site.widget())
        assert widget.status_code == 401


async def test_a_range_that_is_none_is_refused(site: Site) -> None:
    for edges in ({"from": "2026-03-02", "to": "2026-02-01"}, {"to": "9999-12-31"},
                  {"from": "0001-01-01"}, {"from": "0001-01-01T00:00:00+14:00"}):  # fmt: skip
        answer = await ask(site, "stats", edges)
        assert answer.status_code in (200, 400), answer.text
    for value in NASTY:
        text = value if isinstance(value, str) and len(value) < 500 else repr(value)[:500]
        for name in ("from", "to", "propertyId", "limit"):
            for what in ("stats", "conversations"):
                check(await ask(site, what, {name: text}), (what, name, text))
    async with site.world.pool.acquire() as conn:
        await conn.execute("UPDATE properties SET settings = '{}'")
    refused = await ask(site, "stats", {"from": "2026-03-02"})
    assert (refused.status_code, refused.json()["code"]) == (409, "no_time_zone")
    assert (await ask(site, "stats", {"from": "2026-03-02T00:00:00Z"})).status_code == 200
