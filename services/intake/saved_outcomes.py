"""The saved outcomes of records: dead letters, and pending records with their subjects."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from events.log.connection import Connection
from services.intake import dead_letters, outcome_table, pending_records
from services.intake.outcome import IntakeItem, IntakeStatus
from services.intake.scoping import PropertyOrgs
from services.intake.settings import IntakeSettings


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
