"""`lead_engagement_events`: the engagements of leads, with the score weight of their time."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Index, Integer, Select, Table, Text, select, text
from sqlalchemy.dialects.postgresql import JSONB

from events.event import Event
from events.operations import RetentionApplied
from events.record import RecordedEvent
from events.tours import TourNoShowCorrected, TourNoShowRecorded
from projections import leads
from projections.columns import INSTANT, NOW, key, org, refers
from projections.engine.derived_table import METADATA, DerivedTable, Row, personal
from projections.engine.projection import Projection, Tables
from projections.scoring.engagement import ENGAGING, Engagement, engagements_of

TABLE = Table(
    "lead_engagement_events",
    METADATA,
    key(),
    refers("lead_id", "leads.id", "CASCADE"),
    refers("property_id", "properties.id", "CASCADE"),
    Column("event_type", Text, nullable=False),
    personal(Column("metadata", JSONB, server_default="{}"), {}),
    Column("score_weight", Integer, server_default=text("0")),
    Column("created_at", INSTANT, server_default=NOW),
    org(),
    Index("idx_lead_engagement_events_lead", "lead_id"),
    Index("idx_lead_engagement_events_type", "event_type"),
)
projection = Projection(
    "lead_engagement_events",
    version=3,
    table=DerivedTable(TABLE, keyed_by=("no_show_id",), subject="lead_id"),
)
"""Only rows of no-shows have a key field: a corrected no-show deletes its row."""


@projection.on(*(kind for kind in ENGAGING if kind is not TourNoShowRecorded))
def add_engagements(tables: Tables, recorded: RecordedEvent, _event: Event) -> None:
    for engagement in engagements_of(recorded):
        tables.rows.add(_row(recorded, engagement))


@projection.on(TourNoShowRecorded)
def add_no_show(tables: Tables, recorded: RecordedEvent, event: TourNoShowRecorded) -> None:
    for engagement in engagements_of(recorded):
        tables.rows.insert(event.no_show_id, _row(recorded, engagement))


@projection.on(TourNoShowCorrected)
def delete_no_show(tables: Tables, _recorded: RecordedEvent, event: TourNoShowCorrected) -> None:
    tables.rows.delete(event.no_show_id)


@projection.on(RetentionApplied)
def drop_expired_engagements(
    tables: Tables, _recorded: RecordedEvent, event: RetentionApplied
) -> None:
    """Drop old rows. No score changes: engagements of this age do not count in it."""
    tables.rows.drop(event.engagement_ids)


def _row(recorded: RecordedEvent, engagement: Engagement) -> Row:
    return {
        "id": engagement.id,
        "org_id": recorded.org_id,
        "property_id": recorded.property_id,
        "lead_id": engagement.lead_id,
        "event_type": engagement.event_type,
        "metadata": engagement.metadata,
        "score_weight": engagement.score_weight,
        "created_at": recorded.occurred_at,
    }


def newest(org_id: UUID, lead_ids: Sequence[UUID], limit: int) -> "Select[Any]":
    """Select the engagements of a person, newest first.

    `lead_ids` are all leads of the person (`leads.person`).
    """
    return (
        select(TABLE)
        .where(TABLE.c.org_id == org_id, leads.of_any(TABLE.c.lead_id, lead_ids))
        .order_by(TABLE.c.created_at.desc(), TABLE.c.id.desc())
        .limit(limit)
    )
