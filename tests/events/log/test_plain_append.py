"""The append of plain events in one statement: what it writes, and when it writes nothing."""

from uuid import UUID, uuid4

import asyncpg
import pytest

from events import codec
from events.engagements import EngagementRecorded, EngagementType
from events.event import Event
from events.keys.ring import current_ring
from events.leads import LeadErased, LeadNoted
from events.log import read
from events.log.append import append
from events.log.connection import Connection
from events.log.plain_append import PLAIN_EVENTS, append_plain
from events.record import NewEvent, Stream
from services.runtime.database import pooled
from services.runtime.settings import Settings
from tests.events.frozen import CURRENT, Sample
from tests.events.keys.loaded_keys import forget_keys
from tests.stored_events import read_stored_events
from tests.world import World, make_world

PLAIN_SAMPLES = [
    sample for sample in CURRENT.values()
    if type(codec.decode(sample.name, sample.version, sample.payload)) in PLAIN_EVENTS
]  # fmt: skip


@pytest.fixture
async def world(pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> World:
    forget_keys(monkeypatch)  # the samples have the same ids in the databases of other tests
    return await make_world(pool, properties=2)


def noted(world: World, lead: UUID, note: str = "quiet") -> NewEvent:
    return world.new(LeadNoted(lead_id=lead, note=note))


async def create_lead(world: World) -> tuple[UUID, Stream]:
    lead = uuid4()
    await world.append(world.new(world.captured(lead, email=f"{lead}@example.com")))
    return lead, Stream("lead", lead)


async def try_append(
    world: World,
    *events: NewEvent,
    expected: dict[Stream, int],
    guards: dict[Stream, int] | None = None,
    newest: dict[Stream, UUID] | None = None,
) -> int | None:
    async with world.pool.acquire() as conn:
        return await append_plain(
            conn, events, expected=expected, guards=guards or {}, newest=newest
        )


async def count(world: World, *events: NewEvent) -> int:
    ids = [new.id for new in events]
    query = "SELECT count(*) FROM crm_events WHERE id = ANY($1::uuid[])"
    return int(await world.pool.fetchval(query, ids))


async def count_rows_beside_the_log(owner_pool: asyncpg.Pool) -> dict[str, int]:
    """Return table of schema `crm` → number of rows."""
    tables = await owner_pool.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'crm'::regnamespace AND relkind = 'r'"
    )
    return {
        table["relname"]: await owner_pool.fetchval(f"SELECT count(*) FROM crm.{table['relname']}")
        for table in tables
    }


def test_the_samples_cover_all_plain_events() -> None:
    kinds = {type(codec.decode(s.name, s.version, s.payload)) for s in PLAIN_SAMPLES}
    assert kinds == PLAIN_EVENTS


@pytest.mark.parametrize("sample", PLAIN_SAMPLES, ids=lambda sample: sample.name)
async def test_a_plain_event_changes_nothing_beside_the_log(
    world: World, owner_pool: asyncpg.Pool, sample: Sample
) -> None:
    event = codec.decode(sample.name, sample.version, sample.payload)
    assert isinstance(event, Event)
    before = await count_rows_beside_the_log(owner_pool)
    await world.append(world.new(event))
    assert await count_rows_beside_the_log(owner_pool) == before


@pytest.mark.parametrize("sample", PLAIN_SAMPLES, ids=lambda sample: sample.name)
async def test_the_event_is_the_same_as_one_appended_in_a_transaction(
    world: World, sample: Sample
) -> None:
    event = codec.decode(sample.name, sample.version, sample.payload)
    assert isinstance(event, Event)
    new = world.new(event)
    assert await try_append(world, new, expected={new.stream: 0}) is not None
    [row] = await read_stored_events(world.pool, "id = $1", new.id)
    assert (row["entity_type"], row["entity_id"], row["version"]) == (*new.stream, 1)
    assert row["payload"] == event.model_dump(mode="json", exclude_unset=True)
    assert (await world.append(new)).duplicates == (new.id,)


async def test_events_of_several_streams_get_their_versions(world: World) -> None:
    lead, stream = await create_lead(world)
    events = [noted(world, lead, "first"), noted(world, lead, "second")]
    generation = await try_append(world, *events, expected={stream: 1})
    assert generation == await world.pool.fetchval("SELECT generation FROM crm.log")
    async with world.pool.acquire() as conn:
        history = await read.streams(conn, [stream])
    assert [recorded.version for recorded in history] == [1, 2, 3]


async def test_another_version_of_a_written_or_guarded_stream_writes_nothing(world: World) -> None:
    lead, stream = await create_lead(world)
    _, guarded = await create_lead(world)
    new = noted(world, lead)
    assert await try_append(world, new, expected={stream: 2}) is None
    assert await try_append(world, new, expected={stream: 1}, guards={guarded: 2}) is None
    assert await count(world, new) == 0
    assert await try_append(world, new, expected={stream: 1}, guards={guarded: 1}) is not None


async def test_another_newest_event_of_the_same_version_writes_nothing(world: World) -> None:
    lead, stream = await create_lead(world)
    _, guarded = await create_lead(world)
    newest = {
        one: await world.pool.fetchval("SELECT id FROM crm_events WHERE entity_id = $1", one[1])
        for one in (stream, guarded)
    }
    versions = {"expected": {stream: 1}, "guards": {guarded: 1}}
    new = noted(world, lead)
    for one in newest:
        other = {**newest, one: uuid4()}  # as after a restore that lost the event
        assert await try_append(world, new, **versions, newest=other) is None
    assert await count(world, new) == 0
    assert await try_append(world, new, **versions, newest=newest) is not None


async def test_a_duplicate_writes_nothing(world: World) -> None:
    lead, stream = await create_lead(world)
    new, other = noted(world, lead), noted(world, lead, "other")
    assert await try_append(world, new, expected={stream: 1}) is not None
    assert await try_append(world, new, other, expected={stream: 2}) is None
    assert await count(world, new, other) == 1


async def test_an_event_of_an_erased_lead_writes_nothing(world: World) -> None:
    lead, stream = await create_lead(world)
    await world.append(world.new(LeadErased(lead_id=lead, reason="request")))
    new = noted(world, lead)
    assert await try_append(world, new, expected={stream: 2}) is None
    assert await count(world, new) == 0


async def test_a_destroyed_key_that_this_process_remembers_is_not_used(
    world: World, owner_pool: asyncpg.Pool
) -> None:
    lead, stream = await create_lead(world)
    assert current_ring().find(lead) is not None
    await owner_pool.execute(
        "UPDATE crm_keys.data_keys SET wrapped = NULL, master_key = NULL, destroyed_at = now() "
        "WHERE subject_id = $1",
        lead,
    )
    new = noted(world, lead)
    assert await try_append(world, new, expected={stream: 1}) is None
    assert await count(world, new) == 0


async def test_the_key_that_a_subject_has_already_is_not_replaced(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead, stream = await create_lead(world)
    forget_keys(monkeypatch)
    new = noted(world, lead)
    assert await try_append(world, new, expected={stream: 1}) is None
    await world.append(new)
    assert current_ring().find(lead) is not None


async def test_staged_changes_of_the_property_come_first(world: World) -> None:
    lead, stream = await create_lead(world)
    await world.pool.execute(
        "UPDATE properties SET name = 'New' WHERE id = $1", world.properties[0]
    )
    new = noted(world, lead)
    assert await try_append(world, new, expected={stream: 1}) is None
    await world.append_staged()
    assert await try_append(world, new, expected={stream: 1}) is not None


async def test_other_events_need_a_transaction(world: World) -> None:
    captured = world.new(world.captured(uuid4()))
    assert await try_append(world, captured, expected={captured.stream: 0}) is None
    assert await count(world, captured) == 0


async def test_a_plan_of_an_empty_log_reads_no_whole_table_when_the_log_has_grown(
    world: World, direct_settings: Settings
) -> None:
    """A pooler would give each statement to another session, with plans and counts of its own."""
    async with pooled(direct_settings, "test plans", size=1) as pool, pool.acquire() as conn:
        for _ in range(7):  # PostgreSQL may keep a plan from the sixth execution on
            await append_engagement(world, conn)
        async with conn.transaction():
            new = [
                world.new(world.captured(email=f"{number}@example.com")) for number in range(2_000)
            ]
            await append(conn, new, expected={event.stream: 0 for event in new})
        async with conn.transaction():
            before = await count_rows_of_scans(conn)
            await append_engagement(world, conn)
            assert await count_rows_of_scans(conn) == before


async def append_engagement(world: World, conn: Connection) -> None:
    new = world.new(EngagementRecorded(
        engagement_id=uuid4(), lead_id=uuid4(), event_type=EngagementType.EMAIL_OPENED,
        score_weight=1,
    ))  # fmt: skip
    assert await append_plain(conn, [new], expected={new.stream: 0}, guards={}) is not None


async def count_rows_of_scans(conn: Connection) -> list[asyncpg.Record]:
    """Return the numbers of rows that this session has read by scans of whole tables."""
    return await conn.fetch(
        "SELECT relname, seq_tup_read FROM pg_stat_xact_all_tables WHERE relname "
        "IN ('crm_events', 'data_keys', 'messages', 'lock_rows', 'erased_subjects')"
    )
