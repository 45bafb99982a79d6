"""Races for the tables: zombies, records before ownership, holes, strangers, poison."""

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
from events.bus.wire import Arrival
from events.leads import LeadNoted
from events.log import sequencer
from events.log.connection import Connection
from events.tours import TourConfirmed, TourScheduled, TourType
from projections.engine import apply, checkpoints, parked
from projections.engine.apply import Life
from projections.engine.checkpoints import Checkpoint, Fenced
from projections.engine.live import Engine
from tests.conftest import until
from tests.races.processes import demand_the_law
from tests.replay_determinism.delivery import courier, new_engine
from tests.world import World, make_world, parked_reasons

NOTES = 6


@dataclass
class Told:
    """One lead's history in the log, and its records."""

    world: World
    records: list[Arrival]

    async def engine(self) -> Engine:
        async with self.world.pool.acquire() as conn:
            return await new_engine(self.world.pool, await sequencer.state(conn))

    async def notes(self) -> int:
        return await self.world.count("lead_activities WHERE type = 'note'")


async def records_of(pool: asyncpg.Pool, lead: UUID) -> list[Arrival]:
    """The records of the shard in which a lead lives."""
    every = [one for came in (await courier(pool)).partitions.values() for one in came]
    (shard,) = {one.shard for one in every if one.lead_id == str(lead)}
    return [one for one in every if one.shard == shard]


@pytest.fixture
async def told(pool: asyncpg.Pool) -> Told:
    world, lead = await make_world(pool), uuid4()
    await world.append(world.new(world.captured(lead)))
    for number in range(NOTES):
        await world.append(world.new(LeadNoted(lead_id=lead, note=f"note {number}")))
    await world.number()
    return Told(world, await records_of(pool, lead))


def unchained(records: Sequence[Arrival], reached: int = 0) -> list[Arrival]:
    """The records as one takes them who trusts that the bus brings everything."""
    befores = [reached, *(record.position for record in records)]
    return [replace(r, previous=before) for r, before in zip(records, befores, strict=False)]


async def _claim_politely(
    conn: Connection, group: str, version: str, generation: int, shards: Sequence[int], owner: str
) -> dict[int, Checkpoint]:
    rows = await conn.fetch("SELECT shard, position FROM crm.checkpoints WHERE unit = $1", group)
    return {row["shard"]: Checkpoint(row["position"], 0) for row in rows if row["shard"] in shards}


async def _advance_blindly(
    conn: Connection, group: str, version: str, generation: int, moves: dict[int, Any]
) -> None:
    for shard, (_, target) in moves.items():
        await conn.execute(
            "UPDATE crm.checkpoints SET position = $3 WHERE unit = $1 AND shard = $2",
            group, shard, target,
        )  # fmt: skip
    await conn.execute("SET LOCAL crm.engine = 'on'")


def take_the_fence_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "claim", _claim_politely)
    monkeypatch.setattr(checkpoints, "advance", _advance_blindly)


@pytest.mark.parametrize("protected", [True, False])
async def test_an_heir_waits_for_the_zombies_open_transaction(
    told: Told, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    if not protected:
        take_the_fence_away(monkeypatch)
    zombie = await told.engine()
    recorded_events = [wire.decode(came) for came in told.records[:5]]
    async with pool.acquire() as conn:
        batch = await apply.prepare(
            conn, zombie.life, zombie._work, recorded_events, zombie._held, {}
        )
        open_transaction = conn.transaction()
        await open_transaction.start()
        await apply.write(conn, zombie.life, batch)
        inheriting = asyncio.create_task(_inherit(told, zombie.life))
        await until(lambda: _somebody_waits(told.world))
        await open_transaction.commit()
    await inheriting
    whole = await told.notes() == NOTES and await parked_reasons(pool) == []
    assert whole is protected


async def _inherit(told: Told, life: Life) -> None:
    heir = Engine(told.world.pool, life, "heir")
    await heir.claim(range(64))
    await _take(heir, told.records)


async def _take(engine: Engine, records: Sequence[Arrival]) -> None:
    await engine.apply(records)
    await engine.settle()


async def _somebody_waits(world: World) -> bool:
    return bool(await world.count("pg_locks WHERE NOT granted"))


@pytest.mark.parametrize("protected", [True, False])
async def test_a_zombie_that_goes_on_is_fenced(
    told: Told, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    if not protected:
        take_the_fence_away(monkeypatch)
    zombie = await told.engine()
    await zombie.apply(told.records[:3])
    await zombie.settle()
    await _inherit(told, zombie.life)
    await zombie.apply(told.records[3:])
    if protected:
        with pytest.raises(Fenced):
            await zombie.settle()
        assert zombie.owned == frozenset()
    else:
        await zombie.settle()
    assert (await parked_reasons(pool) == []) is protected
    if protected:
        await demand_the_law(pool)


@pytest.mark.parametrize("protected", [True, False])
async def test_who_was_replaced_writes_nothing_although_its_heir_has_not_begun(
    told: Told, protected: bool
) -> None:
    """The position still is what the zombie believes: only the epoch tells. Without protection it
    believes in its heir's, moves the checkpoint, and the rightful owner is the one that is fenced.
    """
    zombie, heir = await told.engine(), await told.engine()
    if not protected:
        zombie._held = dict(heir._held)
        await _take(zombie, told.records)
    fenced = zombie if protected else heir
    with pytest.raises(Fenced):
        await _take(fenced, told.records)
    assert fenced.owned == frozenset()
    assert await told.notes() == (0 if protected else NOTES)


@pytest.mark.parametrize("protected", [True, False])
async def test_records_handed_out_before_the_shard_is_owned_are_not_lost(
    told: Told, pool: asyncpg.Pool, protected: bool
) -> None:
    """As aiokafka does while its assignment callback still runs."""
    engine = await told.engine()
    await engine.release()
    taken = told.records if protected else unchained(told.records)
    await engine.apply(taken[:4])
    await engine.claim(range(64))
    await engine.apply(taken[4:] if protected else unchained(told.records[4:]))
    await engine.settle()
    assert (await told.notes() == NOTES) is protected


@pytest.mark.parametrize("protected", [True, False])
@pytest.mark.parametrize("lost", [[3], [2, 3, 5], [-1], [-2, -1]])
async def test_a_hole_is_read_from_the_log(told: Told, protected: bool, lost: list[int]) -> None:
    gone = {told.records[number].position for number in lost}
    came = [one for one in told.records if one.position not in gone]
    engine = await told.engine()
    await engine.apply(came if protected else unchained(came))
    await engine.settle()
    if protected:
        for shard, head in (await engine.behind()).items():
            await engine.fill_gap(shard, head)
        await engine.settle()
        assert await engine.behind() == {}
    assert (await told.notes() == NOTES) is protected


@pytest.mark.parametrize("protected", [True, False])
async def test_a_record_of_another_life_of_the_log_changes_no_row(
    told: Told, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    engine = await told.engine()
    if not protected:
        monkeypatch.setattr(
            Engine, "_is_new", lambda _, came, reached: came.position > reached.get(came.shard, 0)
        )
    *earlier, last = told.records
    said = orjson.loads(bytes(last.data)) | {"note": "never said"}
    other = replace(last, generation=last.generation + 1, data=Raw(orjson.dumps(said)))
    await engine.apply([*earlier, other, last])
    await engine.settle()
    assert await told.notes() == NOTES
    strange = await told.world.count("lead_activities WHERE description = 'never said'")
    assert strange == (0 if protected else 1)


@pytest.mark.parametrize("protected", [True, False])
async def test_poison_among_a_thousand_parks_its_lead_and_lets_all_others_pass(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    if not protected:
        monkeypatch.setattr(parked, "waits_for", lambda _recorded, _parked: False)
    world = await make_world(pool)
    leads, ill = [uuid4() for _ in range(100)], uuid4()
    await world.append(*(world.new(world.captured(lead, email=None)) for lead in [*leads, ill]))
    stranger, tour = uuid4(), uuid4()
    await world.append(world.new(_tour(tour, ill, stranger)))
    for number in range(10):
        notes = [LeadNoted(lead_id=lead, note=f"{number}") for lead in leads]
        await world.append(*map(world.new, notes))
    await world.append(
        world.new(LeadNoted(lead_id=ill, note="afterwards")),
        world.new(TourConfirmed(tour_id=tour, lead_id=ill)),
    )
    await world.number()
    told = Told(world, await records_of(pool, ill))
    engine = await told.engine()
    for start in range(0, len(told.records), 400):
        await engine.apply(told.records[start : start + 400])
    await engine.settle()
    assert await world.count("lead_activities WHERE type = 'note'") == 1_000 + (not protected)
    reasons = [reason for reason, _ in await parked_reasons(pool)]
    assert reasons == (["database", "behind", "behind"] if protected else ["database", "tours"])
    assert engine.counts.parked == len(reasons)


@pytest.mark.parametrize("protected", [True, False])
async def test_who_takes_over_knows_what_is_parked(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    world, ill = await make_world(pool), uuid4()
    await world.append(world.new(world.captured(ill)), world.new(_tour(uuid4(), ill, uuid4())))
    await world.append(world.new(LeadNoted(lead_id=ill, note="afterwards")))
    await world.number()
    told = Told(world, await records_of(pool, ill))
    *earlier, last = told.records
    await _take(await told.engine(), earlier)
    if not protected:
        monkeypatch.setattr(parked, "touched", _nothing_parked)
    await _take(await told.engine(), [last])
    reasons = [reason for reason, _ in await parked_reasons(pool)]
    assert reasons == ["database", *(["behind"] if protected else [])]
    assert await told.notes() == (0 if protected else 1)


@pytest.mark.parametrize("batch", [1, 100])
async def test_what_waits_makes_others_wait_in_the_same_batch_too(
    pool: asyncpg.Pool, batch: int
) -> None:
    """The last message touches nothing of the ill lead, but the conversation of one that does."""
    world, ill = await make_world(pool), uuid4()
    begun = world.chat(None, messages=1)
    said = begun[-1]
    again = [{"lead_id": ill, "message_id": uuid4()}, {"message_id": uuid4()}]
    events = [world.captured(ill), *begun, _tour(uuid4(), ill, uuid4())]
    events += [said.model_copy(update=other) for other in again]
    for event in events:
        await world.append(world.new(event))
    await world.number()
    records = await records_of(pool, ill)
    told = Told(world, records)
    engine = await told.engine()
    for start in range(0, len(records), batch):
        await _take(engine, records[start : start + batch])
    reasons = [reason for reason, _ in await parked_reasons(pool)]
    assert reasons == ["database", "behind", "behind"]
    assert await world.count("messages") == 1


async def _nothing_parked(*_: object) -> dict[int, set[UUID]]:
    return {}


def _tour(tour: UUID, lead: UUID, by: UUID) -> TourScheduled:
    return TourScheduled(
        tour_id=tour, lead_id=lead, tour_date=date(2026, 4, 2), tour_time=time(14), fold=0,
        time_zone="America/New_York", starts_at=datetime(2026, 4, 2, 18, tzinfo=UTC),
        duration_minutes=30, tour_type=TourType.IN_PERSON, source="console", created_by=by,
    )  # fmt: skip
