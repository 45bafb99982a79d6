"""Pending records: they wait, sealed and in order, for a subject that does not exist yet.

Every function takes the instant `now`, so that one clock decides what is due.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from events.log.connection import Connection
from events.record import Stream
from services.application.rejection import RejectedRecord, RejectionReason
from services.application.sealed_records import COLUMNS, seal_records
from services.intake.outcome import TURN, IntakeItem
from services.intake.settings import IntakeSettings

_COLUMNS = ", ".join(COLUMNS)
PROPERTY = "property"
"""The entity type of a subject that is a property."""


async def save(
    conn: Connection, items: Sequence[IntakeItem], settings: IntakeSettings, now: datetime
) -> None:
    """Save items as pending. Reject those whose time is over or for which there is no room.

    An item that waits for its turn has no such limits.
    """
    pending_count = await count(conn)
    is_overdue = {
        row["id"]: row["overdue"]
        for row in await conn.fetch(
            "SELECT id, give_up_at <= $2 AS overdue FROM crm.intake_waiting "
            "WHERE id = ANY($1::uuid[])",
            [item.record.id for item in items],
            now,
        )
    }
    room = settings.waiting_at_most - pending_count
    saved: list[IntakeItem] = []
    for item in items:
        is_new = item.record.id not in is_overdue
        if _waits_for_turn(item):
            saved.append(item)
        elif is_overdue.get(item.record.id, settings.wait_seconds == 0):
            item.reject(_unknown_subject(item))
        elif is_new and (room := room - 1) < 0:
            item.reject(_no_room(settings))
        else:
            saved.append(item)
    sealed = await seal_records(conn, [(item.record, "") for item in saved])
    await conn.executemany(
        f"""
        INSERT INTO crm.intake_waiting AS pending (id, {_COLUMNS}, subject_type, subject_id,
          org_id, property_id, next_try_at, give_up_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10,
          $11::timestamptz + make_interval(secs => $13), $12)
        ON CONFLICT (id) DO UPDATE SET subject_type = excluded.subject_type,
          subject_id = excluded.subject_id, attempts = pending.attempts + 1,
          give_up_at = CASE WHEN excluded.give_up_at IS NULL THEN NULL
            ELSE coalesce(pending.give_up_at, excluded.give_up_at) END,
          next_try_at = $11::timestamptz
            + make_interval(secs => least($13 * 2 ^ least(pending.attempts, 30), $14))
        """,
        [_row(item, sealed[item.record.id], settings, now) for item in saved],
    )


def _row(
    item: IntakeItem, sealed: tuple[object, ...], settings: IntakeSettings, now: datetime
) -> tuple[object, ...]:
    outcome = item.outcome
    if outcome is None or outcome.subject is None:
        raise RuntimeError(f"record {item.record.id} waits for no subject")
    return (
        item.record.id, *sealed, *outcome.subject, outcome.org_id,
        outcome.property_id, now,
        *(
            (None, 0.0, 0.0)
            if _waits_for_turn(item)
            else (
                now + timedelta(seconds=settings.wait_seconds),
                settings.first_retry_seconds, settings.longest_retry_seconds,
            )
        ),
    )  # fmt: skip


def _waits_for_turn(item: IntakeItem) -> bool:
    subject = item.outcome.subject if item.outcome else None
    return subject is not None and subject.entity_type == TURN


def _unknown_subject(item: IntakeItem) -> RejectedRecord:
    subject = item.outcome.subject if item.outcome else None
    kind = (subject.entity_type if subject else "") or "subject"
    return RejectedRecord(
        RejectionReason.UNKNOWN_SUBJECT, f"the {kind} did not appear in time: send its event first"
    )


def _no_room(settings: IntakeSettings) -> RejectedRecord:
    return RejectedRecord(
        RejectionReason.WAITING_FULL,
        f"{settings.waiting_at_most} records are pending already: send this one later",
    )


async def delete(conn: Connection, ids: Sequence[UUID]) -> None:
    """Delete pending records that ended."""
    await conn.execute("DELETE FROM crm.intake_waiting WHERE id = ANY($1::uuid[])", list(ids))


async def make_due(conn: Connection, subjects: Iterable[UUID], now: datetime) -> None:
    """Make the records due that wait for these subjects."""
    await conn.execute(
        "UPDATE crm.intake_waiting SET next_try_at = $2 WHERE subject_id = ANY($1::uuid[])",
        list(subjects),
        now,
    )


async def load_due(conn: Connection, limit: int, now: datetime) -> list[Stream]:
    """Return subjects that are to be looked up again."""
    rows = await conn.fetch(
        "SELECT DISTINCT subject_type, subject_id FROM crm.intake_waiting "
        "WHERE next_try_at <= $2 LIMIT $1",
        limit,
        now,
    )
    return [Stream(*row.values()) for row in rows]


async def load_waiting_for(
    conn: Connection, subjects: Iterable[UUID], limit: int
) -> list[asyncpg.Record]:
    """Return the records that wait for these subjects, in the order of arrival.

    Each subject gets an equal share of `limit`, and at least one record.
    """
    ids = list(subjects)
    return await conn.fetch(
        "SELECT pending.* FROM unnest($1::uuid[]) AS subject (id) CROSS JOIN LATERAL ("
        "SELECT * FROM crm.intake_waiting WHERE subject_id = subject.id ORDER BY arrival LIMIT $2"
        ") AS pending ORDER BY pending.arrival",
        ids,
        max(1, limit // max(1, len(ids))),
    )


async def load_overdue(
    conn: Connection, subjects: Iterable[UUID], limit: int, now: datetime
) -> list[asyncpg.Record]:
    """Return the records that waited too long for these subjects, in the order of arrival."""
    return await conn.fetch(
        "SELECT * FROM crm.intake_waiting WHERE subject_id = ANY($1::uuid[]) "
        "AND give_up_at <= $3 ORDER BY arrival LIMIT $2",
        list(subjects),
        limit,
        now,
    )


async def postpone(
    conn: Connection, subjects: Iterable[UUID], settings: IntakeSettings, now: datetime
) -> None:
    """Double the time until these absent subjects are looked up again."""
    await conn.execute(
        """
        UPDATE crm.intake_waiting SET attempts = attempts + 1, next_try_at =
          $4::timestamptz + make_interval(secs => least($2 * 2 ^ least(attempts, 30), $3))
        WHERE subject_id = ANY($1::uuid[])
        """,
        list(subjects),
        settings.first_retry_seconds,
        settings.longest_retry_seconds,
        now,
    )


async def count(conn: Connection) -> int:
    """Return the number of records that wait for an unknown subject."""
    number: int = await conn.fetchval(
        "SELECT count(*) FROM crm.intake_waiting WHERE subject_type <> $1", TURN
    )
    return number


async def is_full_of_deferred(conn: Connection, limit: int) -> bool:
    """Return whether at least `limit` records wait for their turn."""
    number: int = await conn.fetchval(
        "SELECT count(*) FROM (SELECT FROM crm.intake_waiting WHERE subject_type = $1 LIMIT $2) "
        "AS deferred",
        TURN,
        limit,
    )
    return number >= limit
