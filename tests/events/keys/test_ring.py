"""The key ring: one key for each data subject; a missing key is an alarm, an erased one is not."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.event import ERASED_TEXT
from events.keys import ring, store
from events.keys.errors import DataKeyMissing, MasterKeyMissing
from events.keys.master import MasterKeys
from events.keys.ring import KeyRing, current_ring
from events.leads import LeadCaptured, LeadErased, LeadNoted
from events.log import read
from events.log.errors import IdReused
from events.record import RecordedEvent, Stream
from tests.events.keys.loaded_keys import forget_keys
from tests.world import World, make_world


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


@pytest.fixture
def master_keys(world: World) -> MasterKeys:
    """Return the master keys of the tests, which the pool of `world` uses."""
    return current_ring().master_keys


async def history(world: World, lead: UUID) -> list[RecordedEvent]:
    async with world.pool.acquire() as conn:
        return await read.streams(conn, [Stream("lead", lead)])


async def note(world: World, lead: UUID) -> str:
    event = (await history(world, lead))[-1].event
    assert isinstance(event, LeadNoted)
    return event.note


async def add_noted_lead(world: World) -> UUID:
    lead = uuid4()
    await world.append(world.new(world.captured(lead, email=f"{lead}@example.com")))
    await world.append(world.new(LeadNoted(lead_id=lead, note="a note")))
    return lead


def erasure(lead: UUID) -> LeadErased:
    return LeadErased(lead_id=lead, reason="asked", session_ids=(), conversation_ids=())


async def read_key(world: World, lead: UUID) -> asyncpg.Record:
    row = await world.pool.fetchrow("SELECT * FROM crm_keys.data_keys WHERE subject_id = $1", lead)
    assert row is not None
    return row


async def destroy_key(world: World, lead: UUID) -> asyncpg.Record:
    """Destroy a data key, although the log has no erasure; return its former row."""
    row = await read_key(world, lead)
    await store.destroy_keys(world.pool, [lead])
    return row


async def lose_key(world: World, lead: UUID) -> asyncpg.Record:
    """Delete the row of a data key, as a restore of an old backup does; return it."""
    row = await read_key(world, lead)
    await world.pool.execute(
        "UPDATE crm_keys.data_keys SET subject_id = gen_random_uuid(), "
        "key_id = gen_random_uuid() WHERE subject_id = $1", lead,
    )  # fmt: skip
    return row


async def test_concurrent_appends_of_a_new_subject_make_one_key(
    world: World, monkeypatch: pytest.MonkeyPatch, master_keys: MasterKeys
) -> None:
    lead = uuid4()
    await asyncio.gather(
        *(world.append(world.new(world.engagement(lead))) for _ in range(2)),
        *(world.append(world.new(LeadNoted(lead_id=lead, note=f"{n}"))) for n in range(5)),
    )
    assert await world.count(f"crm_keys.data_keys WHERE subject_id = '{lead}'") == 1
    forget_keys(monkeypatch, master_keys)
    notes = {recorded.event.note for recorded in await history(world, lead)}  # type: ignore[union-attr]
    assert notes == {"0", "1", "2", "3", "4"}


@pytest.mark.parametrize("has_row", [True, False])
async def test_a_missing_key_is_an_alarm_and_nothing_is_folded(
    world: World, monkeypatch: pytest.MonkeyPatch, master_keys: MasterKeys, has_row: bool
) -> None:
    lead = await add_noted_lead(world)
    row = await (destroy_key if has_row else lose_key)(world, lead)
    forget_keys(monkeypatch, master_keys)
    for reads in (history(world, lead), world.project()):
        with pytest.raises(DataKeyMissing, match=f"{lead}: restore the key store"):
            await reads
    assert await world.count("leads") == 0
    assert await world.count("crm.parked") == 0
    if has_row:
        with pytest.raises(DataKeyMissing):
            await world.append(world.new(LeadNoted(lead_id=lead, note="another")))
        return
    await world.pool.execute(
        "INSERT INTO crm_keys.data_keys VALUES ($1, $2, $3, $4)", *list(row.values())[:4]
    )
    await world.project()
    assert await world.pool.fetchval("SELECT email FROM leads") == f"{lead}@example.com"


async def test_an_erased_subject_has_erased_values_whatever_becomes_of_its_key(
    world: World, monkeypatch: pytest.MonkeyPatch, master_keys: MasterKeys
) -> None:
    erased, other = await add_noted_lead(world), await add_noted_lead(world)
    backup = await read_key(world, erased)
    await world.append(world.new(erasure(erased)))
    assert await store.destroy_keys(world.pool, [erased]) == 1
    for state in ("destroyed", "restored", "lost"):
        if state == "lost":
            await lose_key(world, erased)
        elif state == "restored":
            await world.pool.execute(
                "UPDATE crm_keys.data_keys SET wrapped = $2, master_key = $3, destroyed_at = NULL "
                "WHERE subject_id = $1", erased, backup["wrapped"], backup["master_key"],
            )  # fmt: skip
        forget_keys(monkeypatch, master_keys)
        captured, noted, _ = (recorded.event for recorded in await history(world, erased))
        assert isinstance(captured, LeadCaptured)
        assert (captured.email, captured.has_email) == (None, True)
        assert noted == LeadNoted(lead_id=erased, note=ERASED_TEXT)
    assert await note(world, other) == "a note"


async def test_an_event_of_an_erased_subject_is_stored_without_its_values(world: World) -> None:
    lead = await add_noted_lead(world)
    await world.append(world.new(erasure(lead)))
    late = world.new(LeadNoted(lead_id=lead, note="much too late"))
    await world.append(late)
    row = await world.pool.fetchrow("SELECT payload, digest FROM crm_events WHERE id = $1", late.id)
    assert row is not None
    assert row["payload"] == {"lead_id": str(lead), "sealed": {"fields": ["note"]}}
    assert row["digest"] == b""
    assert await note(world, lead) == ERASED_TEXT


async def test_the_id_of_an_event_of_an_erased_subject_is_a_duplicate(world: World) -> None:
    lead = await add_noted_lead(world)
    new = world.new(LeadNoted(lead_id=lead, note="one"))
    other = world.new(LeadNoted(lead_id=lead, note="two"), event_id=new.id)
    await world.append(new)
    with pytest.raises(IdReused):
        await world.append(other)
    await world.append(world.new(erasure(lead)))
    await store.destroy_keys(world.pool, [lead])
    assert (await world.append(other)).duplicates == (new.id,)


async def test_an_erasure_names_its_subjects_once(world: World) -> None:
    lead, session, conversation = await add_noted_lead(world), uuid4(), uuid4()
    event = LeadErased(
        lead_id=lead, reason="asked", session_ids=(session,), conversation_ids=(conversation,)
    )
    first = world.new(event)
    await world.append(first)
    await world.append(world.new(event))
    rows = await world.pool.fetch(
        "SELECT subject_id, subject_type, event_id FROM crm.erased_subjects"
    )
    assert {tuple(row) for row in rows} == {
        (lead, "lead", first.id), (session, "session", first.id),
        (conversation, "conversation", first.id),
    }  # fmt: skip


async def test_a_loaded_key_is_read_again_when_its_lifespan_has_passed(
    world: World, monkeypatch: pytest.MonkeyPatch, master_keys: MasterKeys
) -> None:
    monkeypatch.setattr(ring, "LIFESPAN_SECONDS", -1)
    forget_keys(monkeypatch, master_keys)
    lead = await add_noted_lead(world)
    await world.append(world.new(erasure(lead)))
    event = (await history(world, lead))[1].event
    assert event == LeadNoted(lead_id=lead, note=ERASED_TEXT)


async def test_a_process_remembers_a_bounded_number_of_keys(
    world: World, monkeypatch: pytest.MonkeyPatch, master_keys: MasterKeys
) -> None:
    monkeypatch.setattr(ring, "MAX_KEYS", 2)
    forget_keys(monkeypatch, master_keys)
    leads = [await add_noted_lead(world) for _ in range(4)]
    assert len(current_ring()._loaded) == 2
    assert [await note(world, lead) for lead in leads] == ["a note"] * 4


async def test_keys_of_another_database_do_not_touch_that_of_the_log(
    world: World, key_pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, master_keys: MasterKeys
) -> None:
    async def open_store() -> asyncpg.Pool:
        return key_pool

    def forget_all() -> None:
        monkeypatch.setattr(ring, "_ring", KeyRing(master_keys, open_store))

    forget_all()
    lead = await add_noted_lead(world)
    assert await world.count("crm_keys.data_keys") == 0
    assert await key_pool.fetchval("SELECT count(*) FROM crm_keys.data_keys") == 1
    forget_all()
    assert await note(world, lead) == "a note"
    await world.append(world.new(erasure(lead)))
    forget_all()
    assert (await history(world, lead))[1].event == LeadNoted(lead_id=lead, note=ERASED_TEXT)


async def test_without_a_master_key_nothing_personal_is_appended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ring, "_ring", None)
    with pytest.raises(MasterKeyMissing, match="CRM_MASTER_KEY is not set"):
        await world.append(world.new(world.captured()))


@pytest.fixture
async def key_pool(pool: asyncpg.Pool, key_store_url: str) -> AsyncIterator[asyncpg.Pool]:
    role = {"role": "service_role"}
    async with asyncpg.create_pool(key_store_url, min_size=0, server_settings=role) as store_pool:
        yield store_pool
