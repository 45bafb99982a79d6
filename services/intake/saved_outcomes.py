"""The saved outcomes of records: dead letters, and pending records with their subjects."""

from collections.abc import Iterable, Sequence, Set
from datetime import datetime
from uuid import UUID

from events.log.connection import Connection
from events.record import Stream
from services.host import PropertyOrgs
from services.intake import dead_letters, outcome_table, pending_records
from services.intake.outcome import IntakeItem, IntakeOutcome, IntakeStatus
from services.intake.settings import IntakeSettings


async def restore_outcomes(conn: Connection, items: Sequence[IntakeItem]) -> None:
    """Give items whose records are dead letters already the saved outcome.

    A redriven dead letter is excluded: its record was admitted since.
    """
    rows = await conn.fetch(
        "SELECT id, event_id, org_id, property_id, reason FROM crm.dead_letters "
        "WHERE id = ANY($1::uuid[]) AND status <> 'redriven'",
        [item.record.id for item in items],
    )
    saved = {row["id"]: row for row in rows}
    for item in items:
        if row := saved.get(item.record.id):
            item.outcome = IntakeOutcome(
                IntakeStatus.DEAD, row["event_id"], row["org_id"], row["property_id"],
                reason=row["reason"],
            )  # fmt: skip


async def load_blocked(
    conn: Connection, items: Sequence[IntakeItem], retried: Set[UUID]
) -> dict[UUID, Stream]:
    """Return the subjects that pending records wait for: entity id → stream.

    A new record about such a subject waits too. Otherwise it would overtake the pending one.
    """
    if not await conn.fetchval("SELECT EXISTS (SELECT FROM crm.intake_waiting)"):
        return {}
    ids = {stream.entity_id for item in items for stream in item.subjects}
    ids |= {item.new.property_id for item in items if item.new and item.new.property_id}
    rows = await conn.fetch(
        "SELECT DISTINCT subject_id, subject_type FROM crm.intake_waiting "
        "WHERE subject_id = ANY($1::uuid[])",
        list(ids - retried),
    )
    return {row["subject_id"]: Stream(row["subject_type"], row["subject_id"]) for row in rows}


async def save_outcomes(
    conn: Connection,
    items: Sequence[IntakeItem],
    settings: IntakeSettings,
    now: datetime,
    property_orgs: PropertyOrgs,
    *,
    is_retry: bool,
) -> None:
    """Save what became of the items. With `is_retry` they are pending records.

    A crash before it repeats the batch: appended events are then recognised as duplicates.
    """
    async with conn.transaction():
        if pending := _with_status(items, IntakeStatus.WAITING):
            await pending_records.save(conn, pending, settings, now)
        # `pending_records.save` may reject items, so the dead letters are saved after it.
        if dead := _with_status(items, IntakeStatus.DEAD):
            await dead_letters.save(conn, dead, property_orgs)
        await outcome_table.save(conn, items, property_orgs)
        if is_retry:
            waiting = {item.record.id for item in _with_status(items, IntakeStatus.WAITING)}
            ended = [item.record.id for item in items if item.record.id not in waiting]
            await pending_records.delete(conn, ended)
        if begun := _begun_ids(items):
            # Records that wait for a new entity are tried at once, not after their pause.
            await pending_records.make_due(conn, begun, now)


def _with_status(items: Sequence[IntakeItem], status: IntakeStatus) -> list[IntakeItem]:
    return [item for item in items if item.outcome and item.outcome.status is status]


def _begun_ids(items: Iterable[IntakeItem]) -> set[UUID]:
    """Return the entities that came into being with the accepted items."""
    accepted = (i for i in items if i.outcome and i.outcome.status is IntakeStatus.ACCEPTED)
    return {i.new_event.event.stream_id for i in accepted if i.new_event.event.begins}
