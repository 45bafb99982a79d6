"""One codec before the log and behind the bus: a cipher hides what is personal, no more."""

from collections.abc import Iterator
from uuid import uuid4

import asyncpg
import pytest

from events import codec
from events.bus import wire
from events.log import read, sequencer
from tests.events.cipher import Backwards
from tests.replay_determinism.delivery import Plan, courier
from tests.replay_determinism.history import tables_of
from tests.world import World, make_world

SECRETS = ("Ada", "ada@example.com", "hello 0", "v_1")


@pytest.fixture(params=[True, False], ids=["cipher", "clear"])
def hidden(request: pytest.FixtureRequest) -> Iterator[bool]:
    codec.install(Backwards() if request.param else None)
    yield request.param
    codec.install(None)


async def _chat(world: World) -> None:
    lead = uuid4()
    await world.append(world.new(world.captured(lead)))
    for event in world.chat(lead, messages=2):
        await world.append(world.new(event))
    await world.append(world.new(world.engagement(lead)))
    await world.number()


async def test_personal_data_is_on_neither_log_nor_bus_and_the_tables_show_it(
    pool: asyncpg.Pool, hidden: bool
) -> None:
    world = await make_world(pool)
    await _chat(world)
    async with pool.acquire() as conn:
        state = await sequencer.state(conn)
        logged = await conn.fetchval("SELECT string_agg(e::text, '') FROM crm_events e")
        rows = await read.position_rows(conn, after=0, upto=state.position)
    records = [wire.record_of(row, state.id, state.generation) for row in rows]
    carried = b"".join(r.value + b"".join(v for _, v in r.headers) for r in records).decode()
    for secret in SECRETS:
        assert (secret in logged) is not hidden
        assert (secret in carried) is not hidden
    await (await courier(pool)).deliver(Plan(rest=3))
    tables = await tables_of(pool)
    shown = str(tables)
    assert all(secret in shown for secret in SECRETS)
    assert [len(tables[name]) for name in ("leads", "messages", "widget_sessions")] == [1, 2, 1]
    assert str(8 + 3 + 12 + 29 + 15) in [total for _, _, total, *_ in tables["lead_scores"]]


async def test_a_repeat_is_known_although_its_bytes_are_others(pool: asyncpg.Pool) -> None:
    world = await make_world(pool)
    new = world.new(world.captured())
    await world.append(new)
    codec.install(Backwards())
    try:
        assert (await world.append(new)).known == (new.id,)
    finally:
        codec.install(None)
