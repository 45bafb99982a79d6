"""Trying parked facts again after a fix, in order; and giving one up, which is a fact itself."""

from dataclasses import dataclass
from uuid import UUID

import asyncpg

from events.log import read
from events.log.connection import Connection
from events.record import RecordedEvent
from projections.engine import apply, checkpoints, parked, store
from projections.engine.apply import Life
from projections.engine.parked import Parking
from projections.engine.working_set import Poison, Work


@dataclass(slots=True)
class Retried:
    """What became of a shard's parked facts."""

    applied: int = 0
    dropped: int = 0
    still_parked: int = 0


async def retry(pool: asyncpg.Pool, life: Life, shard: int) -> Retried:
    """Fold a shard's parked facts again, in order, as its owner for the moment.

    Owning it fences the live consumer, which claims the shard back and knows the outcome.
    """
    group = life.group
    done = Retried()
    async with pool.acquire() as conn, conn.transaction():
        await checkpoints.claim(
            conn, group.name, group.version, life.generation, [shard], "retry of parked events"
        )
        await conn.execute("SET LOCAL crm.engine = 'on'")
        recorded_events = await _parked_events(conn, group.name, shard)
        dropped = await parked.dropped(conn, group.name)
        waiting: set[UUID] = set()
        work = group.work()
        for recorded in recorded_events:
            if recorded.id in dropped:
                done.dropped += 1
                await _unpark(conn, group.name, recorded)
                continue
            problem = await _try(conn, life, work, recorded, waiting)
            if problem is None:
                done.applied += 1
                await _unpark(conn, group.name, recorded)
            else:
                done.still_parked += 1
                waiting |= problem.touches
                await parked.park(conn, group.name, [problem])
    return done


async def hold(conn: Connection, group: str, event_id: UUID) -> bool:
    """Whether a fact is parked; no retry touches its shard until the caller's transaction ends."""
    await conn.execute(
        "SELECT FROM crm.checkpoints WHERE unit = $1 AND shard = "
        "(SELECT shard FROM public.crm_events WHERE id = $2) FOR UPDATE",
        group,
        event_id,
    )
    found: bool = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM crm.parked WHERE unit = $1 AND event_id = $2)", group, event_id
    )
    return found


async def shards_with_parked(conn: Connection, group: str) -> list[int]:
    rows = await conn.fetch(
        "SELECT DISTINCT shard FROM crm.parked WHERE unit = $1 ORDER BY shard", group
    )
    return [row["shard"] for row in rows]


async def _parked_events(conn: Connection, group: str, shard: int) -> list[RecordedEvent]:
    rows = await conn.fetch(
        f"SELECT {read.COLUMNS} FROM public.crm_events WHERE id IN "
        "(SELECT event_id FROM crm.parked WHERE unit = $1 AND shard = $2) ORDER BY position",
        group,
        shard,
    )
    return [read.decode(row) for row in rows]


async def _try(
    conn: Connection, life: Life, work: Work, recorded: RecordedEvent, waiting: set[UUID]
) -> Parking | None:
    """Fold one fact in a savepoint; why it stays parked, or None when it is written."""
    if parked.waits_for(recorded, waiting):
        return Parking(recorded, *parked.BEHIND_IT, await apply.touched(conn, life, work, recorded))
    savepoint = conn.transaction()
    await savepoint.start()
    try:
        held = {recorded.shard: checkpoints.Checkpoint(0, 0)}
        batch = await apply.prepare(conn, life, work, [recorded], held, {})
        if batch.folded.parkings:
            await savepoint.rollback()
            return batch.folded.parkings[0]
        await store.write(conn, batch.changes, life.schema)
        await conn.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
    except Poison as poison:
        why = (poison.projection, repr(poison.error))
    except apply.BAD_ROW_ERRORS as error:
        why = ("database", f"{type(error).__name__}: {error}")
    else:
        await savepoint.commit()
        return None
    work.forget()
    await savepoint.rollback()
    return Parking(recorded, *why, await apply.touched(conn, life, work, recorded))


async def _unpark(conn: Connection, group: str, recorded: RecordedEvent) -> None:
    await conn.execute(
        "DELETE FROM crm.parked WHERE unit = $1 AND event_id = $2", group, recorded.id
    )
