"""Chat turns: what may happen between the two transactions, while the responder computes."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.log import commands
from events.log.commands import CommandId
from services.adapters.responder import ResponderReply, ResponderRequest
from services.application import chat_turns
from services.application.chat_turns import ChatTurnResult, take_turn
from services.application.client_ids import default_conversation_id
from services.application.command_handler import Work, transact
from services.application.command_result import CommandResult
from services.application.scope import Scope
from services.application.visitor_messages import VisitorMessage
from services.deciders.conversations import PostBotReply, ReleaseConversation, TakeOverConversation
from services.deciders.leads import Details
from tests.services.application.test_command_handler import CommandHarness
from tests.world import OTHER_VISITOR, VISITOR, make_world, read_parked_reasons


class InterruptedResponder:
    """A responder that lets something happen before it replies."""

    def __init__(self, meanwhile: Callable[[], Awaitable[None]]) -> None:
        self.meanwhile = meanwhile

    async def reply(self, _request: ResponderRequest) -> ResponderReply:
        await self.meanwhile()
        return ResponderReply("I am the bot")


@pytest.fixture
async def harness(pool: asyncpg.Pool) -> CommandHarness:
    return CommandHarness(await make_world(pool))


async def send(
    harness: CommandHarness,
    session: UUID,
    meanwhile: Callable[[], Awaitable[None]],
    *,
    message: UUID | None = None,
    command_id: CommandId | None = None,
) -> ChatTurnResult:
    sent = VisitorMessage(message or uuid4(), "hello", session_id=session, visitor_hash=VISITOR)
    tenant = (harness.world.org_id, harness.world.properties[0])
    return await take_turn(
        harness.world.pool, InterruptedResponder(meanwhile), tenant, sent, command_id
    )


async def insert_agent(harness: CommandHarness) -> UUID:
    agent = uuid4()
    async with harness.world.pool.acquire() as conn:
        await conn.execute(
            "INSERT INTO profiles (id, org_id, role) VALUES ($1, $2, 'manager')",
            agent,
            harness.world.org_id,
        )
    return agent


async def conversation_events(harness: CommandHarness) -> list[str]:
    async with harness.world.pool.acquire() as conn:
        rows = await conn.fetch(
            "SELECT event_type FROM crm_events WHERE entity_type = 'conversation' ORDER BY seq"
        )
    return [row["event_type"].removeprefix("conversation.") for row in rows]


@pytest.mark.parametrize("protected", [True, False])
async def test_a_reply_is_dropped_if_an_agent_took_over_and_released_meanwhile(
    harness: CommandHarness, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    """Without protection: the reply has the present epoch, not the one that was read before."""
    session, agent = uuid4(), await insert_agent(harness)
    conversation = default_conversation_id(harness.world.properties[0], session)

    async def take_over_and_release() -> None:
        await harness.execute(TakeOverConversation(conversation, agent))
        await harness.execute(ReleaseConversation(conversation, agent))

    def with_present_epoch(
        conversation_id: UUID, message_id: UUID, content: str, *_: Any
    ) -> PostBotReply:
        return PostBotReply(conversation_id, message_id, content, epoch=2)

    if not protected:
        monkeypatch.setattr("services.application.chat_turns.PostBotReply", with_present_epoch)
    response = (await send(harness, session, take_over_and_release)).response
    assert response["content"] == (None if protected else "I am the bot")
    assert ("replied" in await conversation_events(harness)) is not protected


async def _cancel() -> None:
    raise asyncio.CancelledError


async def _do_nothing() -> None: ...


async def _store_result_at_once(
    pool: asyncpg.Pool, scope: Scope, work: Work[Any], *, command_id: CommandId,
    is_final: bool = True, **more: Any,
) -> CommandResult[Any]:  # fmt: skip
    result = await transact(pool, scope, work, command_id=command_id, is_final=is_final, **more)
    if not is_final and not result.repeated:
        async with pool.acquire() as conn:
            await commands.settle(
                conn, command_id, {"result": {}, "token": None}, [scope.property_id]
            )
    return result


@pytest.mark.parametrize("protected", [True, False])
async def test_a_repetition_completes_a_turn_that_was_interrupted(
    harness: CommandHarness, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    """Without protection: the first transaction stores a result, so the reply never comes."""
    if not protected:
        monkeypatch.setattr(chat_turns, "transact", _store_result_at_once)
    session, message = uuid4(), uuid4()
    command_id = CommandId(uuid4(), b"hello", datetime.now(UTC) + timedelta(hours=1))
    with pytest.raises(asyncio.CancelledError):
        await send(harness, session, _cancel, message=message, command_id=command_id)
    assert await conversation_events(harness) == ["started", "message_received"]
    again = await send(harness, session, _do_nothing, message=message, command_id=command_id)
    assert again.response.get("content") == ("I am the bot" if protected else None)
    assert (
        await conversation_events(harness)
        == ["started", "message_received", "replied"][: 2 + protected]
    )


async def test_a_message_id_of_another_organisation_is_free_and_no_event_is_parked(
    harness: CommandHarness, pool: asyncpg.Pool
) -> None:
    """Otherwise a visitor who knows a lead's e-mail address could have its events parked."""
    other, message = await make_world(pool), uuid4()
    for world in (harness.world, other):
        await world.append(world.new(world.captured(email="eve@example.com")))
    await send(harness, uuid4(), _do_nothing, message=message)
    sent = VisitorMessage(
        message, "hi", visitor_hash=OTHER_VISITOR, details=Details(email="eve@example.com")
    )
    tenant = (other.org_id, other.properties[0])
    turns = [
        await take_turn(pool, InterruptedResponder(_do_nothing), tenant, sent) for _ in range(2)
    ]
    assert turns[0].response == turns[1].response
    await other.project()
    assert await read_parked_reasons(pool) == []
    assert await other.count("widget_sessions") == 2
    assert await other.count("messages WHERE role = 'user'") == 2
