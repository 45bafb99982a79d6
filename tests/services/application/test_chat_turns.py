"""A chat turn is two transactions with a slow bot between them: what may happen there."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.log.commands import Command
from services.adapters.responder import Response, Turn
from services.application import chat_turns
from services.application.chat_turns import Turned, take_turn
from services.application.command_handler import transact
from services.application.command_result import Handled
from services.application.visitor_messages import Said, conversation_of
from services.deciders.conversations import Release, Reply, TakeOver
from services.deciders.decider import Refused
from services.deciders.leads import Details
from tests.services.application.test_command_handler import Door
from tests.world import make_world, parked_reasons


class Thinking:
    """A responder during whose thoughts something happens."""

    def __init__(self, meanwhile: Callable[[], Awaitable[None]]) -> None:
        self.meanwhile = meanwhile

    async def reply(self, _turn: Turn) -> Response:
        await self.meanwhile()
        return Response("I am the bot")


@pytest.fixture
async def door(pool: asyncpg.Pool) -> Door:
    return Door(await make_world(pool))


async def ask(
    door: Door,
    session: UUID,
    meanwhile: Callable[[], Awaitable[None]],
    *,
    message: UUID | None = None,
    once: Command | None = None,
) -> Turned:
    said = Said(message or uuid4(), "hello", session_id=session, visitor_id="v_1")
    where = (door.world.org_id, door.world.properties[0])
    return await take_turn(door.world.pool, Thinking(meanwhile), where, said, once)


async def employ(door: Door) -> UUID:
    agent = uuid4()
    async with door.world.pool.acquire() as conn:
        await conn.execute(
            "INSERT INTO profiles (id, org_id, role) VALUES ($1, $2, 'manager')",
            agent,
            door.world.org_id,
        )
    return agent


async def spoken(door: Door) -> list[str]:
    async with door.world.pool.acquire() as conn:
        rows = await conn.fetch(
            "SELECT event_type FROM crm_events WHERE entity_type = 'conversation' ORDER BY seq"
        )
    return [row["event_type"].removeprefix("conversation.") for row in rows]


@pytest.mark.parametrize("protected", [True, False])
async def test_a_bot_says_nothing_where_a_person_came_and_went_while_it_thought(
    door: Door, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    """Without protection: its reply carries the epoch of now, not the one it has read."""
    session, agent = uuid4(), await employ(door)

    async def come_and_go() -> None:
        await door.do(TakeOver(conversation_of(session), agent))
        await door.do(Release(conversation_of(session), agent))

    def of_now(conversation_id: UUID, message_id: UUID, content: str, *_: Any) -> Reply:
        return Reply(conversation_id, message_id, content, epoch=2)

    if not protected:
        monkeypatch.setattr("services.application.chat_replies.Reply", of_now)
    answer = (await ask(door, session, come_and_go)).answer
    assert answer["content"] == (None if protected else "I am the bot")
    assert ("replied" in await spoken(door)) is not protected


async def _dies() -> None:
    raise asyncio.CancelledError


async def _lives() -> None: ...


async def _ends_at_once(*said: Any, ends: bool = True, **more: Any) -> Handled[Any]:
    return await transact(*said, **more)


@pytest.mark.parametrize("protected", [True, False])
async def test_a_turn_that_died_between_its_halves_is_ended_when_it_comes_again(
    door: Door, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    """Without protection: the first half keeps an answer, and the second never comes."""
    if not protected:
        monkeypatch.setattr(chat_turns, "transact", _ends_at_once)
    session, message = uuid4(), uuid4()
    once = Command(uuid4(), b"hello", datetime.now(UTC) + timedelta(hours=1))
    with pytest.raises(asyncio.CancelledError):
        await ask(door, session, _dies, message=message, once=once)
    assert await spoken(door) == ["started", "message_received"]
    again = await ask(door, session, _lives, message=message, once=once)
    assert again.answer.get("content") == ("I am the bot" if protected else None)
    assert await spoken(door) == ["started", "message_received", "replied"][: 2 + protected]


async def test_a_message_id_of_another_organisation_is_refused_and_parks_nobody(
    door: Door, pool: asyncpg.Pool
) -> None:
    """The second speaker knows a lead's e-mail address, and would freeze that lead."""
    other, message = await make_world(pool), uuid4()
    for each in (door.world, other):
        await each.append(each.new(each.captured(email="eve@example.com")))
    await ask(door, uuid4(), _lives, message=message)
    said = Said(message, "hi", visitor_id="v_2", details=Details(email="eve@example.com"))
    with pytest.raises(Refused) as refused:
        await take_turn(pool, Thinking(_lives), (other.org_id, other.properties[0]), said)
    assert (refused.value.code, refused.value.status) == ("id_reused", 422)
    await other.project()
    assert await parked_reasons(pool) == []
    assert await other.count("widget_sessions") == 1
