"""The codec of log and bus: a cipher encrypts the personal fields and nothing else."""

from collections.abc import Iterator
from uuid import uuid4

import asyncpg
import pytest

from events import codec
from events.bus import wire
from events.log import read, sequencer
from tests.events.cipher import ReversingCipher
from tests.replay_determinism.delivery import DeliveryPlan, make_bus
from tests.replay_determinism.history import read_tables
from tests.world import World, make_world

SECRETS = ("Ada", "ada@example.com", "hello 0", "v_1")


@pytest.fixture(params=[True, False], ids=["cipher", "clear"])
def is_encrypted(request: pytest.FixtureRequest) -> Iterator[bool]:
    codec.install(ReversingCipher() if request.param else None)
    yield request.param
    codec.install(None)


async def _chat(world: World) -> None:
    lead = uuid4()
    await world.append(world.new(world.captured(lead)))
    for event in world.chat(lead, messages=2):
        await world.append(world.new(event))
    await world.append(world.new(world.engagement(lead)))
    await world.number()


async def test_personal_data_is_encrypted_in_log_and_bus_and_readable_in_tables(
    pool: asyncpg.Pool, is_encrypted: bool
) -> None:
    world = await make_world(pool)
    await _chat(world)
    async with pool.acquire() as conn:
        state = await sequencer.read_log_state(conn)
        logged = await conn.fetchval("SELECT string_agg(e::text, '') FROM crm_events e")
        rows = await read.position_rows(conn, after=0, upto=state.position)
    records = [wire.record_of(row, state.id, state.generation) for row in rows]
    published = b"".join(r.value + b"".join(v for _, v in r.headers) for r in records).decode()
    for secret in SECRETS:
        assert (secret in logged) is not is_encrypted
        assert (secret in published) is not is_encrypted
    await (await make_bus(pool)).deliver(DeliveryPlan(rest=3))
    tables = await read_tables(pool)
    assert all(secret in str(tables) for secret in SECRETS)
    assert [len(tables[name]) for name in ("leads", "messages", "widget_sessions")] == [1, 2, 1]
    assert str(8 + 3 + 12 + 29 + 15) in [total for _, _, total, *_ in tables["lead_scores"]]


async def test_a_duplicate_is_recognised_although_its_ciphertext_differs(
    pool: asyncpg.Pool,
) -> None:
    world = await make_world(pool)
    new = world.new(world.captured())
    await world.append(new)
    codec.install(ReversingCipher())
    try:
        assert (await world.append(new)).duplicates == (new.id,)
    finally:
        codec.install(None)
