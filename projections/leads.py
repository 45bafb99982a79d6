"""`leads`: who is interested in a property, and how far they have come."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Date, Index, Select, Table, Text, func, select

from events.leads import (
    LeadAdopted,
    LeadArrived,
    LeadCaptured,
    LeadContacted,
    LeadImported,
    LeadStatusChanged,
    LeadUpdated,
)
from events.record import Recorded
from projections.columns import INSTANT, NOW, key, org, refers
from projections.engine.projection import METADATA, DerivedTable, Projection, Row, Tables

TABLE = Table(
    "leads",
    METADATA,
    key(),
    refers("property_id", "properties.id", "CASCADE"),
    Column("source", Text),
    Column("first_name", Text),
    Column("last_name", Text),
    Column("email", Text),
    Column("phone", Text),
    Column("status", Text, server_default="new"),
    Column("created_at", INSTANT, server_default=NOW),
    Column("last_contacted_at", INSTANT),
    Column("updated_at", INSTANT, server_default=NOW),
    org(),
    Column("move_in_date", Date),
    Column("bedrooms", Text),
    Column("notes", Text),
    Column("external_id", Text),
    Index("idx_leads_property", "property_id"),
)
projection = Projection(
    "leads", version=1, table=DerivedTable(TABLE, keyed_by=("lead_id",), kept=True)
)


@projection.on(LeadCaptured, LeadImported)
def arrived(tables: Tables, fact: Recorded, event: LeadCaptured | LeadImported) -> None:
    row = {**_row(fact, event), "external_id": getattr(event, "external_id", None)}
    tables.rows.insert(event.lead_id, row)


@projection.on(LeadAdopted)
def adopted(tables: Tables, fact: Recorded, event: LeadAdopted) -> None:
    """The host's row is there already, and no organisation's yet: it is taken over."""
    row = {**_row(fact, event), "last_contacted_at": event.last_contacted_at}
    if "updated_at" in event.model_fields_set:
        row["updated_at"] = event.updated_at
    held = tables.rows.get(event.lead_id)
    if held is not None and held["org_id"] is None:
        tables.rows.update(event.lead_id, **row)
    else:
        tables.rows.insert(event.lead_id, row)


def _row(fact: Recorded, event: LeadArrived) -> Row:
    return {
        "id": event.lead_id,
        "org_id": fact.org_id,
        "property_id": fact.property_id,
        "source": event.source,
        "first_name": event.first_name,
        "last_name": event.last_name,
        "email": event.email,
        "phone": event.phone,
        "status": event.status.value,
        "created_at": fact.occurred_at,
        "last_contacted_at": None,
        "updated_at": fact.occurred_at,
        "move_in_date": event.move_in_date,
        "bedrooms": event.bedrooms,
        "notes": event.notes,
        "external_id": None,
    }


@projection.on(LeadUpdated)
def updated(tables: Tables, fact: Recorded, event: LeadUpdated) -> None:
    known = {name: value for name, value in event.changes.items() if not name.startswith("has_")}
    _change(tables, fact, event.lead_id, **known)


@projection.on(LeadStatusChanged)
def status_changed(tables: Tables, fact: Recorded, event: LeadStatusChanged) -> None:
    _change(tables, fact, event.lead_id, status=event.status.value)


@projection.on(LeadContacted)
def contacted(tables: Tables, fact: Recorded, event: LeadContacted) -> None:
    _change(tables, fact, event.lead_id, last_contacted_at=fact.occurred_at)


def _change(tables: Tables, fact: Recorded, lead_id: UUID, **changes: object) -> None:
    tables.rows.update(lead_id, **{"updated_at": fact.occurred_at, **changes})


def one(org_id: UUID, lead_id: UUID) -> "Select[Any]":
    """A lead's row."""
    return select(TABLE).where(TABLE.c.org_id == org_id, TABLE.c.id == lead_id)


def several(org_id: UUID, lead_ids: Sequence[UUID]) -> "Select[Any]":
    return select(TABLE.c.id).where(TABLE.c.org_id == org_id, TABLE.c.id.in_(lead_ids))


def count_of(org_id: UUID, property_id: UUID) -> "Select[Any]":
    """How many leads a property has."""
    mine = (TABLE.c.org_id == org_id, TABLE.c.property_id == property_id)
    return select(func.count()).select_from(TABLE).where(*mine)
