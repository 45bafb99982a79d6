"""Encrypted bytes of operational tables: for one data subject, and none after an erasure."""

from uuid import uuid4

import asyncpg
import pytest

from events.keys import store
from events.keys.data_key import TamperedValue
from events.keys.errors import DataKeyMissing
from events.keys.sealing import open_all, seal_all
from events.leads import LeadErased
from tests.events.keys.loaded_keys import forget_keys
from tests.world import World, make_world

VALUE = b"a value of a person"


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


async def test_a_value_is_read_again_by_another_process(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = uuid4()
    [sealed] = await seal_all(world.pool, [(subject, VALUE)])
    assert sealed is not None
    assert VALUE not in sealed
    forget_keys(monkeypatch)
    assert await open_all(world.pool, [(subject, sealed)]) == [VALUE]


async def test_several_values_need_one_key_for_each_subject(world: World) -> None:
    first, second = uuid4(), uuid4()
    values = [(first, b"1"), (second, b"2"), (first, b"3")]
    sealed = await seal_all(world.pool, values)
    assert await world.count("crm_keys.data_keys") == 2
    pairs = [(subject, value) for (subject, _), value in zip(values, sealed, strict=True) if value]
    assert await open_all(world.pool, pairs) == [b"1", b"2", b"3"]


async def test_a_value_of_another_subject_or_with_other_bytes_is_refused(world: World) -> None:
    subject = uuid4()
    [sealed] = await seal_all(world.pool, [(subject, VALUE)])
    assert sealed is not None
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for owner, value in ((uuid4(), sealed), (subject, changed), (subject, b"short")):
        with pytest.raises(TamperedValue):
            await open_all(world.pool, [(owner, value)])


async def test_an_erased_subject_has_no_values_any_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead = uuid4()
    [sealed] = await seal_all(world.pool, [(lead, VALUE)])
    assert sealed is not None
    await world.append(
        world.new(LeadErased(lead_id=lead, reason="asked", session_ids=(), conversation_ids=()))
    )
    await store.destroy_keys(world.pool, [lead])
    forget_keys(monkeypatch)
    assert await open_all(world.pool, [(lead, sealed)]) == [None]
    assert await seal_all(world.pool, [(lead, VALUE)]) == [None]


async def test_a_destroyed_key_without_an_erasure_is_an_alarm(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = uuid4()
    [sealed] = await seal_all(world.pool, [(subject, VALUE)])
    assert sealed is not None
    await store.destroy_keys(world.pool, [subject])
    forget_keys(monkeypatch)
    with pytest.raises(DataKeyMissing):
        await open_all(world.pool, [(subject, sealed)])
