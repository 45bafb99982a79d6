"""An agent takes a conversation over while the bot computes its reply: no bot reply follows."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.conversations import ConversationReplied
from events.event import Event
from services.adapters.responder import ResponderReply, ResponderRequest
from services.application.chat_turns import take_turn
from services.application.client_ids import default_conversation_id
from services.application.visitor_messages import VisitorMessage
from services.deciders import conversations
from services.deciders.chats import Conversation
from services.deciders.conversations import ReleaseConversation, TakeOverConversation
from tests.services.application.test_command_handler import CommandHarness
from tests.world import VISITOR, make_world

PARALLEL_RACES = 4


class SteppedResponder:
    """A responder that yields to the event loop a number of times before it replies."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.started = asyncio.Event()

    async def reply(self, _turn: ResponderRequest) -> ResponderReply:
        self.started.set()
        for _ in range(self.steps):
            await asyncio.sleep(0)
        return ResponderReply("I am the bot")


async def race(
    harness: CommandHarness, chance: random.Random, agent: UUID
) -> tuple[list[str], Any]:
    """Return the events of the conversation, in order, and the answer to the visitor."""
    session = uuid4()
    conversation_id = default_conversation_id(harness.world.properties[0], session)
    where = (harness.world.org_id, harness.world.properties[0])
    first = VisitorMessage(uuid4(), "hi", session, visitor_hash=VISITOR)
    await take_turn(harness.world.pool, SteppedResponder(0), where, first)
    bot, releases = SteppedResponder(chance.randrange(40)), chance.random() < 0.3

    async def take_over() -> None:
        if chance.random() < 0.7:
            await bot.started.wait()
        for _ in range(chance.randrange(40)):
            await asyncio.sleep(0)
        await harness.execute(TakeOverConversation(conversation_id, agent))
        if releases:
            await harness.execute(ReleaseConversation(conversation_id, agent))

    second = VisitorMessage(uuid4(), "are you there?", session, visitor_hash=VISITOR)
    answered, _ = await asyncio.gather(
        take_turn(harness.world.pool, bot, where, second), take_over()
    )
    async with harness.world.pool.acquire() as conn:
        rows = await conn.fetch(
            "SELECT event_type FROM crm_events WHERE entity_id = $1 ORDER BY version",
            conversation_id,
        )
    return [row["event_type"].partition(".")[2] for row in rows], answered.response


async def races(pool: asyncpg.Pool, count: int) -> int:
    """Run `count` races; return how often the bot gave no reply. Raise AssertionError if late."""
    harness = CommandHarness(await make_world(pool))
    agent, chance = uuid4(), random.Random(41)
    async with pool.acquire() as conn:
        await conn.execute(
            "INSERT INTO profiles (id, org_id, role) VALUES ($1, $2, 'manager')",
            agent, harness.world.org_id,
        )  # fmt: skip
    silenced = 0
    for _ in range(count // PARALLEL_RACES):
        outcomes = await asyncio.gather(
            *(race(harness, chance, agent) for _ in range(PARALLEL_RACES))
        )
        for events, answer in outcomes:
            silenced += _is_silenced(events, answer)
    return silenced


def _is_silenced(events: Sequence[str], answer: dict[str, Any]) -> bool:
    """Return whether the bot gave no reply; check that the answer agrees with the events."""
    takeover = events.index("taken_over")
    second = [n for n, event in enumerate(events) if event == "message_received"][1]
    replies = [n for n, event in enumerate(events) if event == "replied" and n > second]
    if takeover > second:
        assert all(reply < takeover for reply in replies), events
    elif "released" not in events or events.index("released") > second:
        assert not replies, events
    assert (answer["content"] == "I am the bot") is bool(replies), (events, answer)
    return not replies


def _reply_always(command: conversations.PostBotReply, state: Conversation) -> list[Event]:
    return [ConversationReplied(
        conversation_id=command.conversation_id, session_id=state.session_id,
        lead_id=state.lead_id, message_id=command.message_id, content=command.content,
        epoch=command.epoch, in_reply_to=command.in_reply_to,
    )]  # fmt: skip


@pytest.mark.parametrize("protected", [True, False])
async def test_a_bot_never_replies_after_a_takeover(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    """The protection: a reply is compared with the takeover epoch that it read."""
    if not protected:
        monkeypatch.setattr(conversations, "_reply", _reply_always)
        with pytest.raises(AssertionError):
            await races(pool, 60)
        return
    silenced = await races(pool, 60)
    assert 0 < silenced < 60


@pytest.mark.soak
async def test_a_bot_never_replies_after_one_of_a_thousand_takeovers(pool: asyncpg.Pool) -> None:
    silenced = await races(pool, 1_000)
    assert 0 < silenced < 1_000
