"""The retry of pending records whose subject may exist by now, or whose time is over."""

from collections.abc import Iterable
from uuid import UUID

from events.log.connection import Connection
from events.record import Stream
from services.application.sealed_records import open_records
from services.intake import pending_records
from services.intake.admission import Admission
from services.intake.outcome import TURN, IntakeItem
from services.intake.pending_records import PROPERTY
from services.intake.scoping import PropertyOrgs
from services.intake.subjects import load_stream_owners

SUBJECTS_PER_RETRY = 1_000
TURN_RECORDS = 200
"""Deferred records that are admitted at a time."""


async def retry_pending(admission: Admission) -> int:
    """Retry pending records that are due; return how many were looked at.

    Subjects are looked up first. Only records whose subject exists, and those that waited too
    long, are admitted again; the others are postponed without being read.
    """
    now, settings = admission.clock.now(), admission.settings
    async with admission.lock, admission.pool.acquire() as conn:
        subjects = await pending_records.load_due(conn, SUBJECTS_PER_RETRY, now)
        if not subjects:
            return 0
        existing = await _find_existing(conn, admission.property_orgs, subjects)
        in_turn = {subject.entity_id for subject in subjects if subject.entity_type == TURN}
        absent = {subject.entity_id for subject in subjects} - existing - in_turn
        await pending_records.postpone(conn, absent, settings, now)
        limit = settings.batch_records
        overdue = await pending_records.load_overdue(conn, absent, limit, now)
        ready = await pending_records.load_waiting_for(conn, existing, limit)
        # Few at a time: the lock is released often, and new records of others come between.
        deferred = await pending_records.load_waiting_for(conn, in_turn, min(limit, TURN_RECORDS))
        rows = [*overdue, *ready, *deferred]
        opened = await open_records(conn, rows)
        # An erasure can destroy the key of a record while it is admitted: nothing is left of it.
        erased = [
            row["id"] for row, stored in zip(rows, opened, strict=True) if stored.record is None
        ]
        await pending_records.delete(conn, erased)
        items = [IntakeItem(stored.record) for stored in opened if stored.record is not None]
        await admission.admit_items(conn, items, retried=existing | in_turn)
        return len(rows)


async def make_room(admission: Admission) -> None:
    """Process deferred records until fewer than the maximum wait for their turn."""
    limit = admission.settings.deferred_at_most
    while limit and await _is_full(admission, limit):
        await retry_pending(admission)


async def _is_full(admission: Admission, limit: int) -> bool:
    async with admission.pool.acquire() as conn:
        return await pending_records.is_full_of_deferred(conn, limit)


async def _find_existing(
    conn: Connection, property_orgs: PropertyOrgs, subjects: Iterable[Stream]
) -> set[UUID]:
    streams = {s for s in subjects if s.entity_type not in (PROPERTY, TURN)}
    properties = {s.entity_id for s in subjects if s.entity_type == PROPERTY}
    begun = {stream.entity_id for stream in await load_stream_owners(conn, streams)}
    return begun | (await property_orgs.load_orgs(conn, properties)).keys()
