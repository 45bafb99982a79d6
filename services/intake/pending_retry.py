"""The retry of pending records whose subject may exist by now, or whose time is over."""

from collections.abc import Iterable
from uuid import UUID

from events.log.connection import Connection
from events.record import Stream
from services.host import PropertyOrgs
from services.intake import pending_records
from services.intake.admission import Admission
from services.intake.outcome import IntakeItem
from services.intake.pending_records import PROPERTY
from services.intake.raw_record import RawRecord
from services.intake.subjects import load_stream_properties

SUBJECTS_PER_RETRY = 1_000


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
        absent = {subject.entity_id for subject in subjects} - existing
        await pending_records.postpone(conn, absent, settings, now)
        limit = settings.batch_records
        overdue = await pending_records.load_overdue(conn, absent, limit, now)
        ready = await pending_records.load_waiting_for(conn, existing, limit)
        rows = [*overdue, *ready]
        items = [IntakeItem(RawRecord.of_row(dict(row))) for row in rows]
        await admission.admit_items(conn, items, retried=existing)
        return len(rows)


async def _find_existing(
    conn: Connection, property_orgs: PropertyOrgs, subjects: Iterable[Stream]
) -> set[UUID]:
    streams = {s for s in subjects if s.entity_type != PROPERTY}
    properties = {s.entity_id for s in subjects if s.entity_type == PROPERTY}
    begun = {stream.entity_id for stream in await load_stream_properties(conn, streams)}
    return begun | (await property_orgs.load_orgs(conn, properties)).keys()
