"""`erased_subjects`: the data subjects that were erased. The table is private to the core.

The engine reads it to keep the personal columns of these subjects erased: see `engine.erasure`.
"""

from sqlalchemy import Column, Index, SmallInteger, Table, Uuid

from events.leads import LeadErased
from events.record import RecordedEvent
from projections.columns import INSTANT
from projections.engine.derived_table import METADATA, STATE_SCHEMA, DerivedTable
from projections.engine.projection import Projection, Tables

TABLE = Table(
    "erased_subjects",
    METADATA,
    Column("subject_id", Uuid, primary_key=True),
    Column("org_id", Uuid, nullable=False),
    Column("property_id", Uuid, nullable=False),
    Column("shard", SmallInteger, nullable=False),
    Column("lead_id", Uuid, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("erased_at", INSTANT, nullable=False),
    Index("erased_subjects_shard", "shard"),
    Index("erased_subjects_lead", "lead_id"),
    schema=STATE_SCHEMA,
)
projection = Projection(
    "erased_subjects",
    version=1,
    table=DerivedTable(TABLE, keyed_by=("subjects",), lists_erased_subjects=True),
)


@projection.on(LeadErased)
def add_subjects(tables: Tables, recorded: RecordedEvent, event: LeadErased) -> None:
    """Add the subjects of an erasure; one that was erased before keeps its first erasure."""
    for subject_id in event.subjects:
        if tables.rows.get(subject_id) is None:
            tables.rows.insert(
                subject_id,
                {
                    "subject_id": subject_id,
                    "org_id": recorded.org_id,
                    "property_id": recorded.property_id,
                    "shard": recorded.shard,
                    "lead_id": event.lead_id,
                    "event_id": recorded.id,
                    "erased_at": recorded.occurred_at,
                },
            )
