"""Records that came before what they are about: kept in order, tried again, given up in the end."""

from collections.abc import Iterable, Sequence
from uuid import UUID

import asyncpg

from events.log.connection import Connection
from events.record import Stream
from services.intake.outcome import Item
from services.intake.raw_record import COLUMNS
from services.intake.rejection import Reason
from services.intake.settings import IntakeSettings

_KEPT = ", ".join(COLUMNS)
PROPERTY = "property"


async def waited_for(conn: Connection, ids: Iterable[UUID]) -> dict[UUID, Stream]:
    """Those of `ids` that records wait for already."""
    rows = await conn.fetch(
        "SELECT DISTINCT subject_id, subject_type FROM crm.intake_waiting "
        "WHERE subject_id = ANY($1::uuid[])",
        list(set(ids)),
    )
    return {row["subject_id"]: Stream(row["subject_type"], row["subject_id"]) for row in rows}


async def any_waiting(conn: Connection) -> bool:
    found: bool = await conn.fetchval("SELECT EXISTS (SELECT FROM crm.intake_waiting)")
    return found


async def keep(conn: Connection, items: Sequence[Item], settings: IntakeSettings) -> None:
    """Let records wait, or wait on; those for which there is no room or no time end as dead."""
    held = await conn.fetchval("SELECT count(*) FROM crm.intake_waiting")
    known = {
        row["id"]: row["late"]
        for row in await conn.fetch(
            "SELECT id, give_up_at <= clock_timestamp() AS late FROM crm.intake_waiting "
            "WHERE id = ANY($1::uuid[])",
            [item.record.id for item in items],
        )
    }
    room = settings.waiting_at_most - held
    stay: list[Item] = []
    for item in items:
        subject = item.outcome.subject if item.outcome else None
        if known.get(item.record.id, settings.wait_seconds == 0):
            kind = subject.entity_type if subject else "subject"
            item.give_up(Reason.UNKNOWN_SUBJECT, f"there is no such {kind}, waited long enough")
        elif item.record.id not in known and (room := room - 1) < 0:
            item.give_up(
                Reason.WAITING_FULL, f"{settings.waiting_at_most} records wait already: send later"
            )
        else:
            stay.append(item)
    await conn.executemany(
        f"""
        INSERT INTO crm.intake_waiting AS held (id, {_KEPT}, subject_type, subject_id, org_id,
          property_id, next_try_at, give_up_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
          clock_timestamp() + make_interval(secs => $13),
          clock_timestamp() + make_interval(secs => $14))
        ON CONFLICT (id) DO UPDATE SET subject_type = excluded.subject_type,
          subject_id = excluded.subject_id, attempts = held.attempts + 1,
          next_try_at = clock_timestamp()
            + make_interval(secs => least($13 * 2 ^ least(held.attempts, 30), $15))
        """,
        [_row(item, settings) for item in stay],
    )


def _row(item: Item, settings: IntakeSettings) -> tuple[object, ...]:
    outcome = item.outcome
    if outcome is None or outcome.subject is None:
        raise RuntimeError(f"record {item.record.id} does not wait")
    return (
        item.record.id, *item.record.columns(), *outcome.subject, outcome.org_id,
        outcome.property_id, settings.first_retry_seconds, settings.wait_seconds,
        settings.longest_retry_seconds,
    )  # fmt: skip


async def done(conn: Connection, ids: Sequence[UUID]) -> None:
    """These wait no longer."""
    await conn.execute("DELETE FROM crm.intake_waiting WHERE id = ANY($1::uuid[])", list(ids))


async def wake(conn: Connection, subjects: Iterable[UUID]) -> None:
    """What waits for these is due now."""
    await conn.execute(
        "UPDATE crm.intake_waiting SET next_try_at = clock_timestamp() "
        "WHERE subject_id = ANY($1::uuid[])",
        list(subjects),
    )


async def due(conn: Connection, limit: int) -> list[Stream]:
    """Subjects that should be asked for again."""
    rows = await conn.fetch(
        "SELECT DISTINCT subject_type, subject_id FROM crm.intake_waiting "
        "WHERE next_try_at <= clock_timestamp() LIMIT $1",
        limit,
    )
    return [Stream(*row.values()) for row in rows]


async def of_subjects(
    conn: Connection, subjects: Iterable[UUID], limit: int, *, late: bool = False
) -> list[asyncpg.Record]:
    """What waits for these, in the order it came; with `late` only what has waited long enough."""
    return await conn.fetch(
        "SELECT * FROM crm.intake_waiting WHERE subject_id = ANY($1::uuid[]) "
        "AND (NOT $3 OR give_up_at <= clock_timestamp()) ORDER BY arrival LIMIT $2",
        list(subjects),
        limit,
        late,
    )


async def postpone(conn: Connection, subjects: Iterable[UUID], settings: IntakeSettings) -> None:
    """These are not there yet: twice the time until they are asked for again."""
    await conn.execute(
        """
        UPDATE crm.intake_waiting SET attempts = attempts + 1, next_try_at = clock_timestamp()
          + make_interval(secs => least($2 * 2 ^ least(attempts, 30), $3))
        WHERE subject_id = ANY($1::uuid[])
        """,
        list(subjects),
        settings.first_retry_seconds,
        settings.longest_retry_seconds,
    )


async def count(conn: Connection) -> int:
    found: int = await conn.fetchval("SELECT count(*) FROM crm.intake_waiting")
    return found
