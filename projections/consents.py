"""`lead_consents`: one row for each consent that was given or withdrawn, with its evidence.

The row with the highest version of a lead and channel is in force.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, Column, Index, Integer, Select, Table, Text, Uuid, select
from sqlalchemy.dialects.postgresql import distinct_on

from events.consents import ConsentGiven, ConsentWithdrawn
from events.operations import RetentionApplied
from events.record import RecordedEvent
from projections import leads
from projections.columns import INSTANT, NOW, key, org, refers
from projections.engine.derived_table import METADATA, DerivedTable, personal
from projections.engine.projection import Projection, Tables

TABLE = Table(
    "lead_consents",
    METADATA,
    key(),
    org(),
    refers("property_id", "properties.id", "CASCADE"),
    refers("lead_id", "leads.id", "CASCADE"),
    Column("channel", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("version", Integer, nullable=False),
    personal(Column("text", Text)),
    personal(Column("place", Text)),
    personal(Column("keyword", Text)),
    Column("recorded_by", Uuid),
    Column("said_at", INSTANT, nullable=False),
    Column("created_at", INSTANT, server_default=NOW),
    personal(Column("source", Text)),
    Index("idx_lead_consents_lead", "lead_id", "channel", "version"),
    Index("idx_lead_consents_created", "created_at"),
)
projection = Projection("lead_consents", version=2, table=DerivedTable(TABLE, subject="lead_id"))


@projection.on(ConsentGiven)
def add_given_consent(tables: Tables, recorded: RecordedEvent, event: ConsentGiven) -> None:
    _add(tables, recorded, event, status="given", keyword=None)


@projection.on(ConsentWithdrawn)
def add_withdrawn_consent(tables: Tables, recorded: RecordedEvent, event: ConsentWithdrawn) -> None:
    _add(tables, recorded, event, status="withdrawn", keyword=event.keyword)


@projection.on(RetentionApplied)
def drop_expired_consents(
    tables: Tables, _recorded: RecordedEvent, event: RetentionApplied
) -> None:
    tables.rows.drop(event.consent_ids)


def _add(
    tables: Tables,
    recorded: RecordedEvent,
    event: ConsentGiven | ConsentWithdrawn,
    *,
    status: str,
    keyword: str | None,
) -> None:
    tables.rows.add(
        {
            "id": recorded.id,
            "org_id": recorded.org_id,
            "property_id": recorded.property_id,
            "lead_id": event.lead_id,
            "channel": event.channel.value,
            "status": status,
            "version": recorded.version,
            "text": event.text,
            "place": event.place,
            "keyword": keyword,
            "recorded_by": event.recorded_by,
            "said_at": event.at,
            "created_at": recorded.occurred_at,
            "source": event.source,
        }
    )


def in_force(org_id: UUID, lead_ids: "Sequence[UUID] | BindParameter[Any]") -> "Select[Any]":
    """Select the consent in force of each channel, and of each of these leads."""
    columns = TABLE.c
    return (
        select(TABLE, columns["said_at"].label("at"))
        .where(columns.org_id == org_id, leads.of_any(columns.lead_id, lead_ids))
        .ext(distinct_on(columns.channel, columns.lead_id))
        .order_by(columns.channel, columns.lead_id, columns.version.desc())
    )
