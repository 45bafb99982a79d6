"""A log has an id and a generation: what belongs to another life of it is refused, not applied."""

from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest
from msgspec.structs import replace

from events.bus import wire
from events.bus.wire import NotOurs
from events.log import read, sequencer
from events.log.token import MalformedToken, Token
from projections.engine.checkpoints import WrongVersion
from tests.replay_determinism.delivery import courier, new_engine
from tests.world import make_world


async def test_a_record_of_another_generation_is_refused(pool: asyncpg.Pool) -> None:
    world = await make_world(pool)
    await world.append(world.new(world.captured()))
    await world.number()
    came = [one for records in (await courier(pool)).partitions.values() for one in records]
    async with pool.acquire() as conn:
        state = await sequencer.state(conn)
    engine = await new_engine(pool, state)
    await engine.apply([replace(one, generation=state.generation + 1) for one in came])
    await engine.settle()
    assert engine.counts.refused == len(came)
    assert await world.count("leads") == 0
    await engine.apply(came)
    await engine.settle()
    assert await world.count("leads") == 1


async def test_a_record_of_another_log_is_not_ours(pool: asyncpg.Pool) -> None:
    await (await make_world(pool)).number()
    async with pool.acquire() as conn:
        state = await sequencer.state(conn)
        (row, *_) = await read.position_rows(conn, after=0, upto=1)
    record = wire.record_of(row, state.id, state.generation)
    with pytest.raises(NotOurs):
        wire.arrival(record.value, uuid4())
    said = orjson.loads(record.value)
    del said["position"]
    with pytest.raises(NotOurs):
        wire.arrival(orjson.dumps(said), state.id)


async def test_tables_of_an_older_life_are_owned_by_nobody(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        state = await sequencer.state(conn)
    await new_engine(pool, state)
    with pytest.raises(WrongVersion, match="generation"):
        await new_engine(pool, state._replace(generation=state.generation + 1))


def test_a_token_comes_back_as_it_was_said() -> None:
    token = Token(3, 63, uuid4())
    assert Token.parse(str(token)) == token


@pytest.mark.parametrize("text", ["", "x", "é", "A" * 29, "A" * 27, str(UUID(int=7)), "=" * 28])
def test_a_token_that_is_none_is_said_to_be_so(text: str) -> None:
    with pytest.raises(MalformedToken):
        Token.parse(text)
