"""An agent takes a conversation over while its bot answers: never a bot's reply after that."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.chat import ConversationReplied
from events.event import Event
from services.adapters.responder import Response, Turn
from services.application.chat_turns import take_turn
from services.application.visitor_messages import Said, conversation_of
from services.deciders import conversations
from services.deciders.conversations import Release, TakeOver
from tests.services.application.test_command_handler import Door
from tests.world import make_world

AT_ONCE = 4


class Hasty:
    """Thinks for some turns of the loop, at some point of which an agent may step in."""

    def __init__(self, turns: int) -> None:
        self.turns = turns
        self.thinking = asyncio.Event()

    async def reply(self, _turn: Turn) -> Response:
        self.thinking.set()
        for _ in range(self.turns):
            await asyncio.sleep(0)
        return Response("I am the bot")


async def race(door: Door, chance: random.Random, agent: UUID) -> tuple[list[str], Any]:
    """What was written in the conversation, in order, and what the visitor was answered."""
    session = uuid4()
    talk = conversation_of(session)
    where = (door.world.org_id, door.world.properties[0])
    first = Said(uuid4(), "hi", session, visitor_id="v_1")
    await take_turn(door.world.pool, Hasty(0), where, first)
    bot, gives_back = Hasty(chance.randrange(40)), chance.random() < 0.3

    async def step_in() -> None:
        if chance.random() < 0.7:
            await bot.thinking.wait()
        for _ in range(chance.randrange(40)):
            await asyncio.sleep(0)
        await door.do(TakeOver(talk, agent))
        if gives_back:
            await door.do(Release(talk, agent))

    said = Said(uuid4(), "are you there?", session, visitor_id="v_1")
    answered, _ = await asyncio.gather(take_turn(door.world.pool, bot, where, said), step_in())
    async with door.world.pool.acquire() as conn:
        rows = await conn.fetch(
            "SELECT event_type FROM crm_events WHERE entity_id = $1 ORDER BY version", talk
        )
    return [row["event_type"].partition(".")[2] for row in rows], answered.answer


async def races(pool: asyncpg.Pool, count: int) -> int:
    """Race so often; how often the bot was refused. Raises AssertionError for a late reply."""
    door = Door(await make_world(pool))
    agent, chance = uuid4(), random.Random(41)
    async with pool.acquire() as conn:
        await conn.execute(
            "INSERT INTO profiles (id, org_id, role) VALUES ($1, $2, 'manager')",
            agent, door.world.org_id,
        )  # fmt: skip
    silenced = 0
    for _ in range(count // AT_ONCE):
        outcomes = await asyncio.gather(*(race(door, chance, agent) for _ in range(AT_ONCE)))
        for happened, answer in outcomes:
            silenced += _judge(happened, answer)
    return silenced


def _judge(happened: Sequence[str], answer: dict[str, Any]) -> bool:
    """Was the bot silenced? The visitor is told just what was written."""
    taken = happened.index("taken_over")
    second = [n for n, what in enumerate(happened) if what == "message_received"][1]
    replies = [n for n, what in enumerate(happened) if what == "replied" and n > second]
    if taken > second:
        assert all(reply < taken for reply in replies), happened
    elif "released" not in happened or happened.index("released") > second:
        assert not replies, happened
    assert (answer["content"] == "I am the bot") is bool(replies), (happened, answer)
    return not replies


def _whenever(
    command: conversations.Reply, _known: conversations.Conversation, where: dict[str, Any]
) -> list[Event]:
    return [ConversationReplied.model_validate({**where, "epoch": command.epoch})]


@pytest.mark.parametrize("protected", [True, False])
async def test_a_bot_never_replies_after_a_takeover(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    """Without protection: the epoch a reply has read is not looked at."""
    if not protected:
        monkeypatch.setattr(conversations, "_reply", _whenever)
        with pytest.raises(AssertionError):
            await races(pool, 60)
        return
    silenced = await races(pool, 60)
    assert 0 < silenced < 60


@pytest.mark.soak
async def test_a_bot_never_replies_after_any_of_a_thousand_takeovers(pool: asyncpg.Pool) -> None:
    silenced = await races(pool, 1_000)
    assert 0 < silenced < 1_000
