"""Races for the tables: replaced consumers, early records, gaps, foreign records, poison."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest
from msgspec import Raw
from msgspec.structs import replace

from events.bus import wire
from events.bus.wire import ReceivedRecord
from events.leads import LeadNoted
from events.log import sequencer
from events.log.connection import Connection
from events.log.shard import SHARDS, shard_of
from events.tours import TourConfirmed, TourScheduled, TourType
from projections.engine import apply, checkpoints, parked
from projections.engine.batch import WriterIdentity
from projections.engine.checkpoints import Checkpoint, FencingError
from projections.engine.live import Engine
from projections.engine.projection_pipeline import ProjectionPipeline
from tests.conftest import until
from tests.races.processes import assert_live_equals_rebuilt
from tests.replay_determinism.delivery import make_bus, new_engine
from tests.replay_determinism.property import property_in
from tests.world import World, make_world, read_parked_reasons

NOTES = 6


@dataclass
class LeadHistory:
    """The events of one lead in the log, and their records."""

    world: World
    records: list[ReceivedRecord]

    async def engine(self) -> Engine:
        async with self.world.pool.acquire() as conn:
            return await new_engine(self.world.pool, await sequencer.read_log_state(conn))

    async def count_notes(self) -> int:
        return await self.world.count("lead_activities WHERE type = 'note'")


async def records_of(pool: asyncpg.Pool, lead: UUID) -> list[ReceivedRecord]:
    """Return the records of the shard of a lead."""
    partitions = (await make_bus(pool)).partitions.values()
    records = [record for partition in partitions for record in partition]
    (shard,) = {record.shard for record in records if record.lead_id == str(lead)}
    return [record for record in records if record.shard == shard]


@pytest.fixture
async def history(pool: asyncpg.Pool) -> LeadHistory:
    world, lead = await make_world(pool), uuid4()
    await world.append(world.new(world.captured(lead)))
    for number in range(NOTES):
        await world.append(world.new(LeadNoted(lead_id=lead, note=f"note {number}")))
    await world.number()
    return LeadHistory(world, await records_of(pool, lead))


def without_gaps(records: Sequence[ReceivedRecord], position: int = 0) -> list[ReceivedRecord]:
    """Return the records as if none were missing: each follows the one before it."""
    befores = [position, *(record.position for record in records)]
    return [replace(r, previous=before) for r, before in zip(records, befores, strict=False)]


async def _claim_without_epoch(
    conn: Connection, group: str, version: str, generation: int, shards: Sequence[int], owner: str
) -> dict[int, Checkpoint]:
    rows = await conn.fetch(
        "SELECT shard, position FROM crm.checkpoints WHERE projection_group = $1", group
    )
    return {row["shard"]: Checkpoint(row["position"], 0) for row in rows if row["shard"] in shards}


async def _advance_without_check(
    conn: Connection, group: str, version: str, generation: int, moves: dict[int, Any]
) -> None:
    for shard, (_, target) in moves.items():
        await conn.execute(
            "UPDATE crm.checkpoints SET position = $3 WHERE projection_group = $1 AND shard = $2",
            group, shard, target,
        )  # fmt: skip
    await conn.execute("SET LOCAL crm.engine = 'on'")


def remove_fencing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "own", _claim_without_epoch)
    monkeypatch.setattr(checkpoints, "advance", _advance_without_check)


@pytest.mark.parametrize("protected", [True, False])
async def test_a_new_owner_waits_for_the_open_transaction_of_the_replaced_one(
    history: LeadHistory, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    if not protected:
        remove_fencing(monkeypatch)
    replaced = await history.engine()
    pipeline = projection_pipeline(replaced)
    recorded_events = await wire.decode_records(pool, history.records[:5])
    async with pool.acquire() as conn:
        batch = await apply.prepare(
            conn,
            pipeline.identity,
            pipeline.work,
            recorded_events,
            replaced._owned.checkpoints,
            {},
        )
        open_transaction = conn.transaction()
        await open_transaction.start()
        await apply.write(conn, pipeline.identity, batch)
        taking_over = asyncio.create_task(_take_over(history, pipeline.identity))
        await until(lambda: _is_any_lock_awaited(history.world))
        await open_transaction.commit()
    await taking_over
    is_complete = await history.count_notes() == NOTES and await read_parked_reasons(pool) == []
    assert is_complete is protected


def projection_pipeline(engine: Engine) -> ProjectionPipeline:
    assert isinstance(engine.pipeline, ProjectionPipeline)
    return engine.pipeline


async def _take_over(history: LeadHistory, identity: WriterIdentity) -> None:
    new_owner = Engine(ProjectionPipeline(history.world.pool, identity), "new_owner")
    await new_owner.own(range(64))
    await _apply_all(new_owner, history.records)


async def _apply_all(engine: Engine, records: Sequence[ReceivedRecord]) -> None:
    await engine.apply(records)
    await engine.flush()


async def _is_any_lock_awaited(world: World) -> bool:
    return bool(await world.count("pg_locks WHERE NOT granted"))


@pytest.mark.parametrize("protected", [True, False])
async def test_a_replaced_owner_that_continues_is_fenced(
    history: LeadHistory,
    pool: asyncpg.Pool,
    owner_pool: asyncpg.Pool,
    monkeypatch: pytest.MonkeyPatch,
    protected: bool,
) -> None:
    if not protected:
        remove_fencing(monkeypatch)
    replaced = await history.engine()
    await replaced.apply(history.records[:3])
    await replaced.flush()
    await _take_over(history, projection_pipeline(replaced).identity)
    await replaced.apply(history.records[3:])
    if protected:
        with pytest.raises(FencingError):
            await replaced.flush()
        assert replaced.owned_shards == frozenset()
    else:
        await replaced.flush()
    assert (await read_parked_reasons(pool) == []) is protected
    if protected:
        await assert_live_equals_rebuilt(owner_pool)


@pytest.mark.parametrize("protected", [True, False])
async def test_a_replaced_owner_writes_nothing_before_the_new_owner_wrote(
    history: LeadHistory, protected: bool
) -> None:
    """The position is still the expected one: only the owner epoch differs.

    With the epoch of the new owner the replaced one moves the checkpoint, and the new owner is
    fenced instead.
    """
    replaced, new_owner = await history.engine(), await history.engine()
    if not protected:
        replaced._owned.checkpoints = dict(new_owner._owned.checkpoints)
        await _apply_all(replaced, history.records)
    fenced = replaced if protected else new_owner
    with pytest.raises(FencingError):
        await _apply_all(fenced, history.records)
    assert fenced.owned_shards == frozenset()
    assert await history.count_notes() == (0 if protected else NOTES)


@pytest.mark.parametrize("protected", [True, False])
async def test_records_delivered_before_the_shard_is_owned_are_not_lost(
    history: LeadHistory, pool: asyncpg.Pool, protected: bool
) -> None:
    """The client aiokafka delivers records while its assignment callback still runs."""
    engine = await history.engine()
    await engine.release()
    records = history.records if protected else without_gaps(history.records)
    await engine.apply(records[:4])
    await engine.own(range(64))
    await engine.apply(records[4:] if protected else without_gaps(history.records[4:]))
    await engine.flush()
    assert (await history.count_notes() == NOTES) is protected


@pytest.mark.parametrize("protected", [True, False])
@pytest.mark.parametrize("lost", [[3], [2, 3, 5], [-1], [-2, -1]])
async def test_a_gap_is_read_from_the_log(
    history: LeadHistory, protected: bool, lost: list[int]
) -> None:
    lost_positions = {history.records[number].position for number in lost}
    received = [r for r in history.records if r.position not in lost_positions]
    engine = await history.engine()
    await engine.apply(received if protected else without_gaps(received))
    await engine.flush()
    if protected:
        for shard, head in (await engine.find_gaps()).items():
            await engine.fill_gap(shard, head)
        await engine.flush()
        assert await engine.find_gaps() == {}
    assert (await history.count_notes() == NOTES) is protected


async def test_after_a_filled_gap_the_next_record_must_follow_the_tables(
    pool: asyncpg.Pool,
) -> None:
    """A record that the log does not have fills a gap, and a second one follows the first.

    Both positions are events of another shard. The position that counts is that of the tables, so
    the second record is a gap too, and neither changes a row.
    """
    world, lead = await make_world(pool), uuid4()
    other_property = property_in((shard_of(world.properties[0]) + 1) % SHARDS)
    await pool.execute(
        "INSERT INTO properties (id, org_id, name) VALUES ($1, $2, 'Other')",
        other_property, world.org_id,
    )  # fmt: skip
    await world.append(world.new(world.captured(lead)))
    await world.append(
        *(world.new(world.captured(email=None), property_id=other_property) for _ in range(4))
    )
    await world.append(world.new(LeadNoted(lead_id=lead, note="real")))
    await world.number()
    *earlier, last = await records_of(pool, lead)
    position = earlier[-1].position
    data = orjson.dumps(orjson.loads(bytes(last.data)) | {"note": "foreign"})
    foreign = [
        replace(last, position=position + n, previous=position + n - 1, data=Raw(data))
        for n in (2, 3)
    ]
    history = LeadHistory(world, [*earlier, *foreign, last])
    await _apply_all(await history.engine(), history.records)
    notes = await pool.fetch("SELECT description FROM lead_activities WHERE type = 'note'")
    assert [row["description"] for row in notes] == ["real"]
    assert await read_parked_reasons(pool) == []


@pytest.mark.parametrize("protected", [True, False])
async def test_a_record_of_another_log_generation_changes_no_row(
    history: LeadHistory, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    engine = await history.engine()
    if not protected:
        monkeypatch.setattr(
            Engine,
            "_is_new",
            lambda _, record, positions: record.position > positions.get(record.shard, 0),
        )
    *earlier, last = history.records
    data = orjson.loads(bytes(last.data)) | {"note": "foreign"}
    del data["sealed"]
    other = replace(last, generation=last.generation + 1, data=Raw(orjson.dumps(data)))
    await engine.apply([*earlier, other, last])
    await engine.flush()
    assert await history.count_notes() == NOTES
    foreign = await history.world.count("lead_activities WHERE description = 'foreign'")
    assert foreign == (0 if protected else 1)


@pytest.mark.parametrize("protected", [True, False])
async def test_a_poison_event_among_a_thousand_parks_only_the_events_of_its_lead(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    if not protected:
        monkeypatch.setattr(parked, "is_blocked", lambda _recorded, _parked: False)
    world = await make_world(pool)
    leads, parked_lead = [uuid4() for _ in range(100)], uuid4()
    await world.append(
        *(world.new(world.captured(lead, email=None)) for lead in [*leads, parked_lead])
    )
    unknown_profile, tour = uuid4(), uuid4()
    await world.append(world.new(_tour(tour, parked_lead, unknown_profile)))
    for number in range(10):
        notes = [LeadNoted(lead_id=lead, note=f"{number}") for lead in leads]
        await world.append(*map(world.new, notes))
    await world.append(
        world.new(LeadNoted(lead_id=parked_lead, note="afterwards")),
        world.new(TourConfirmed(tour_id=tour, lead_id=parked_lead)),
    )
    await world.number()
    history = LeadHistory(world, await records_of(pool, parked_lead))
    engine = await history.engine()
    for start in range(0, len(history.records), 400):
        await engine.apply(history.records[start : start + 400])
    await engine.flush()
    assert await world.count("lead_activities WHERE type = 'note'") == 1_000 + (not protected)
    reasons = [reason for reason, _ in await read_parked_reasons(pool)]
    assert reasons == (["database", "behind", "behind"] if protected else ["database", "tours"])
    assert engine.counts.parked == len(reasons)


@pytest.mark.parametrize("protected", [True, False])
async def test_a_new_owner_loads_what_is_parked(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    world, parked_lead = await make_world(pool), uuid4()
    await world.append(
        world.new(world.captured(parked_lead)), world.new(_tour(uuid4(), parked_lead, uuid4()))
    )
    await world.append(world.new(LeadNoted(lead_id=parked_lead, note="afterwards")))
    await world.number()
    history = LeadHistory(world, await records_of(pool, parked_lead))
    *earlier, last = history.records
    await _apply_all(await history.engine(), earlier)
    if not protected:
        monkeypatch.setattr(parked, "read_waiting_ids", _load_nothing)
    await _apply_all(await history.engine(), [last])
    reasons = [reason for reason, _ in await read_parked_reasons(pool)]
    assert reasons == ["database", *(["behind"] if protected else [])]
    assert await history.count_notes() == (0 if protected else 1)


@pytest.mark.parametrize("batch", [1, 100])
async def test_an_event_behind_a_parked_one_holds_back_others_of_its_batch(
    pool: asyncpg.Pool, batch: int
) -> None:
    """The last message does not touch the parked lead, but the conversation of one that does."""
    world, parked_lead = await make_world(pool), uuid4()
    chat = world.chat(None, messages=1)
    message = chat[-1]
    changes = [{"lead_id": parked_lead, "message_id": uuid4()}, {"message_id": uuid4()}]
    events = [world.captured(parked_lead), *chat, _tour(uuid4(), parked_lead, uuid4())]
    events += [message.model_copy(update=change) for change in changes]
    for event in events:
        await world.append(world.new(event))
    await world.number()
    records = await records_of(pool, parked_lead)
    history = LeadHistory(world, records)
    engine = await history.engine()
    for start in range(0, len(records), batch):
        await _apply_all(engine, records[start : start + batch])
    reasons = [reason for reason, _ in await read_parked_reasons(pool)]
    assert reasons == ["database", "behind", "behind"]
    assert await world.count("messages") == 1


async def _load_nothing(*_: object) -> dict[int, set[UUID]]:
    return {}


def _tour(tour: UUID, lead: UUID, by: UUID) -> TourScheduled:
    return TourScheduled(
        tour_id=tour, lead_id=lead, tour_date=date(2026, 4, 2), tour_time=time(14), fold=0,
        time_zone="America/New_York", starts_at=datetime(2026, 4, 2, 18, tzinfo=UTC),
        duration_minutes=30, tour_type=TourType.IN_PERSON, source="console", created_by=by,
    )  # fmt: skip
