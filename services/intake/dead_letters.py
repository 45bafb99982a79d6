"""Rejected records of the intake, saved as dead letters."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from events.keys import store
from events.log.connection import Connection
from events.log.erased_subjects import subject_ids
from services.application.raw_record import storable
from services.application.sealed_records import (
    COLUMNS,
    seal_records,
    without_content,
)
from services.intake.outcome import IntakeItem
from services.intake.record_label import RecordLabel
from services.intake.scoping import PropertyOrgs

_RECORD_COLUMNS = ", ".join(COLUMNS)


async def save(conn: Connection, items: Sequence[IntakeItem], property_orgs: PropertyOrgs) -> None:
    """Save rejected records.

    A record of a known property gets its organisation, also if it was rejected before the
    organisation was looked up. A record that is rejected again counts another attempt. A redriven
    dead letter is open again. A dropped one stays dropped, an erased one has no content. One about
    an erased person has none either.
    """
    about_erased = await _find_about_erased(conn, items)
    sealed = {i.record.id: without_content(i.record) for i in about_erased}
    sealed |= await seal_records(
        conn,
        [
            (item.record, storable(item.outcome.detail) if item.outcome else "")
            for item in items
            if item.record.id not in sealed
        ],
    )
    labels = {item.record.id: item.label for item in items}
    orgs = await property_orgs.load_orgs(
        conn, (label.property_id for label in labels.values() if label.property_id)
    )
    await conn.executemany(
        f"""
        INSERT INTO crm.dead_letters AS saved (id, {_RECORD_COLUMNS}, ce_source, ce_id, event_type,
          event_id, org_id, property_id, reason)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        ON CONFLICT (id) DO UPDATE SET attempts = saved.attempts + 1, last_at = clock_timestamp(),
          reason = excluded.reason, content = excluded.content, event_id = excluded.event_id,
          org_id = excluded.org_id, property_id = excluded.property_id, copied_at = NULL,
          status = CASE saved.status WHEN 'redriven' THEN 'open' ELSE saved.status END
        """,
        [_row(item, sealed[item.record.id], labels[item.record.id], orgs) for item in items],
    )


def _row(
    item: IntakeItem, sealed: tuple[object, ...], label: RecordLabel, orgs: Mapping[UUID, UUID]
) -> tuple[Any, ...]:
    outcome = item.outcome
    if outcome is None:
        raise RuntimeError(f"record {item.record.id} has no outcome")
    return (
        item.record.id,
        *sealed,
        *(None if text is None else storable(text, 300)
          for text in (label.source, label.ce_id, label.event_type)),
        outcome.event_id,
        outcome.org_id or (orgs.get(label.property_id) if label.property_id else None),
        outcome.property_id or label.property_id,
        outcome.reason,
    )  # fmt: skip


async def _find_about_erased(conn: Connection, items: Sequence[IntakeItem]) -> list[IntakeItem]:
    """Return the items whose event is about an erased data subject, whatever their reason."""
    subjects = [(item, subject_ids(item.new.event)) for item in items if item.new]
    erased = await store.read_erased(conn, {key for _, ids in subjects for key in ids})
    return [item for item, ids in subjects if not erased.isdisjoint(ids)]
