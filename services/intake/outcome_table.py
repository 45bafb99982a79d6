"""The table of outcomes: for each intake record whether it was accepted, and why not.

It contains ids and codes only, no personal field: a producer reads it, and its copy on a topic.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from events.log.connection import Connection
from services.application.raw_record import storable
from services.intake.outcome import IntakeItem, IntakeStatus
from services.intake.record_label import RecordLabel
from services.intake.scoping import PropertyOrgs

MAX_TEXT = 300
STATUS_OF = {
    IntakeStatus.ACCEPTED: "accepted",
    IntakeStatus.DUPLICATE: "accepted",
    IntakeStatus.WAITING: "waiting",
    IntakeStatus.DEAD: "refused",
}
"""Status of a record → the status that producers see; a duplicate is accepted too."""
COLUMNS = (
    "id", "topic", "partition", "kafka_offset", "ce_source", "ce_id", "event_type", "status",
    "duplicate", "reason", "event_id", "org_id", "property_id", "lead_id",
)  # fmt: skip
_TYPES = (
    "uuid", "text", "int", "bigint", "text", "text", "text", "text", "bool", "text", "uuid",
    "uuid", "uuid", "uuid",
)  # fmt: skip
_ARRAYS = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(_TYPES, start=1))
_SET = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS[7:])


async def save(conn: Connection, items: Sequence[IntakeItem], property_orgs: PropertyOrgs) -> None:
    """Save the outcomes of records, each once.

    An accepted record stays as it is: after a crash it is read again, and is a duplicate of itself.
    """
    if not items:
        return
    labels = {item.record.id: item.label for item in items}
    orgs = await property_orgs.load_orgs(
        conn, (label.property_id for label in labels.values() if label.property_id)
    )
    rows: dict[UUID, tuple[object, ...]] = {}
    for item in items:
        # The same record twice in one batch: the second time it is a duplicate of itself.
        rows.setdefault(item.record.id, _row(item, labels[item.record.id], orgs))
    await conn.execute(
        f"""
        INSERT INTO crm.intake_outcomes AS saved ({", ".join(COLUMNS)})
        SELECT * FROM unnest({_ARRAYS})
        ON CONFLICT (id) DO UPDATE SET {_SET}, decided_at = clock_timestamp(), copied_at = NULL
        WHERE saved.status <> 'accepted'
          AND (saved.status, saved.reason) IS DISTINCT FROM (excluded.status, excluded.reason)
        """,
        *zip(*rows.values(), strict=True),
    )


def _row(item: IntakeItem, label: RecordLabel, orgs: Mapping[UUID, UUID]) -> tuple[object, ...]:
    record, outcome = item.record, item.outcome
    if outcome is None:
        raise RuntimeError(f"record {record.id} has no outcome")
    texts = (
        None if text is None else storable(text, MAX_TEXT)
        for text in (label.source, label.ce_id, label.event_type)
    )  # fmt: skip
    return (
        record.id, record.topic, record.partition, record.offset, *texts,
        STATUS_OF[outcome.status], outcome.status is IntakeStatus.DUPLICATE,
        outcome.reason or None, outcome.event_id,
        outcome.org_id or (orgs.get(label.property_id) if label.property_id else None),
        outcome.property_id or label.property_id, outcome.lead_id,
    )  # fmt: skip
