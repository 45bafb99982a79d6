"""Log id and generation: records, tables and tokens of another log or generation are refused."""

from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest
from msgspec.structs import replace

from events.bus import wire
from events.bus.wire import ForeignRecord
from events.log import read, sequencer
from events.log.token import MalformedToken, Token
from projections.engine.checkpoints import WrongVersion
from tests.replay_determinism.delivery import make_bus, new_engine
from tests.world import make_world


async def test_a_record_of_another_generation_is_refused(pool: asyncpg.Pool) -> None:
    world = await make_world(pool)
    await world.append(world.new(world.captured()))
    await world.number()
    records = [
        record for partition in (await make_bus(pool)).partitions.values() for record in partition
    ]
    async with pool.acquire() as conn:
        state = await sequencer.read_log_state(conn)
    engine = await new_engine(pool, state)
    await engine.apply([replace(record, generation=state.generation + 1) for record in records])
    await engine.flush()
    assert engine.counts.refused == {"generation": len(records)}
    assert await world.count("leads") == 0
    await engine.apply(records)
    await engine.flush()
    assert await world.count("leads") == 1


async def test_a_record_of_another_log_or_without_a_position_is_foreign(pool: asyncpg.Pool) -> None:
    await (await make_world(pool)).number()
    async with pool.acquire() as conn:
        state = await sequencer.read_log_state(conn)
        (row, *_) = await read.position_rows(conn, after=0, upto=1)
    record = wire.record_of(row, state.id, state.generation)
    with pytest.raises(ForeignRecord):
        wire.read_record(record.value, uuid4())
    document = orjson.loads(record.value)
    del document["position"]
    with pytest.raises(ForeignRecord):
        wire.read_record(orjson.dumps(document), state.id)


async def test_tables_of_an_older_generation_cannot_be_owned(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        state = await sequencer.read_log_state(conn)
    await new_engine(pool, state)
    with pytest.raises(WrongVersion, match="generation"):
        await new_engine(pool, state._replace(generation=state.generation + 1))


def test_a_token_is_parsed_from_its_text() -> None:
    token = Token(3, 63, uuid4())
    assert Token.parse(str(token)) == token


@pytest.mark.parametrize("text", ["", "x", "é", "A" * 29, "A" * 27, str(UUID(int=7)), "=" * 28])
def test_a_malformed_token_is_refused(text: str) -> None:
    with pytest.raises(MalformedToken):
        Token.parse(text)
