"""`leads`: the persons who may lease at a property, with contact details and status."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Column,
    Date,
    Index,
    Select,
    Table,
    Text,
    Uuid,
    and_,
    any_,
    func,
    select,
    text,
    type_coerce,
)
from sqlalchemy.sql.elements import BindParameter, ColumnElement

from events.deliveries import DeliveryHandedOver
from events.leads import (
    LeadAdopted,
    LeadArrived,
    LeadAssigned,
    LeadCaptured,
    LeadContacted,
    LeadImported,
    LeadStatusChanged,
    LeadUpdated,
    LeadZoneSet,
)
from events.merges import LeadMerged, LeadUnmerged
from events.record import RecordedEvent
from events.restrictions import LeadRestricted, LeadRestrictionLifted
from events.widgets import CHAT_SOURCE, TOUR_SOURCE
from projections.columns import INSTANT, NOW, key, org, refers
from projections.delivery_lines import is_to_lead
from projections.engine.derived_table import METADATA, DerivedTable, Row, personal
from projections.engine.projection import Projection, Tables

LISTED = text("merged_into IS NULL AND org_id IS NOT NULL")
CAPTURED_BY_WIDGET = text(f"source IN ('{CHAT_SOURCE}', '{TOUR_SOURCE}')")
"""It has no parameters, because an index has the same condition."""
SORTED_TEXTS = ("first_name", "last_name", "source")
"""The columns that lists sort without case. A lead may have no value."""
TABLE = Table(
    "leads",
    METADATA,
    key(),
    refers("property_id", "properties.id", "CASCADE"),
    Column("source", Text),
    personal(Column("first_name", Text)),
    personal(Column("last_name", Text)),
    personal(Column("email", Text)),
    personal(Column("phone", Text)),
    Column("status", Text, server_default="new"),
    Column("created_at", INSTANT, server_default=NOW),
    Column("last_contacted_at", INSTANT),
    Column("updated_at", INSTANT, server_default=NOW),
    org(),
    Column("move_in_date", Date),
    personal(Column("bedrooms", Text)),
    personal(Column("notes", Text)),
    personal(Column("external_id", Text)),
    Column("merged_into", Uuid),
    Column("assigned_agent_id", Uuid, comment="added by the core"),
    Column("lead_zone", Text, comment="added by the core"),
    Column("restricted_at", INSTANT),
    Index("idx_leads_property", "property_id"),
    Index("idx_leads_property_created", "property_id", "created_at", "id", postgresql_where=LISTED),
    Index("idx_leads_property_standing", "property_id", "status", "source", "id",
          postgresql_include=["created_at"], postgresql_where=LISTED),
    *(Index(f"idx_leads_property_{name}", "property_id", text(f"({name} IS NULL)"),
            text(f"lower(left({name}, 100))"), "id", postgresql_where=LISTED)
      for name in SORTED_TEXTS),
    Index("idx_leads_phone", "phone", postgresql_where=text("phone IS NOT NULL")),
    Index("idx_leads_email", "email", postgresql_where=text("email IS NOT NULL")),
    Index("idx_leads_merged_into", "merged_into", postgresql_where=text("merged_into IS NOT NULL")),
    Index("idx_leads_property_merged", "property_id", postgresql_include=["id", "merged_into"],
          postgresql_where=text("merged_into IS NOT NULL")),
    Index("idx_leads_property_widget", "property_id", "id", "created_at",
          postgresql_where=CAPTURED_BY_WIDGET),
)  # fmt: skip
HOST_ACTORS = ("host", "adopt")
"""The actors of events that tell what the host wrote into its row, or had there before."""
projection = Projection(
    "leads",
    version=6,
    table=DerivedTable(TABLE, keyed_by=("lead_id", "loser_id"), is_in_place=True, subject="id"),
)


@projection.on(LeadCaptured, LeadImported)
def insert_lead(
    tables: Tables, recorded: RecordedEvent, event: LeadCaptured | LeadImported
) -> None:
    row = {**_row(recorded, event), "assigned_agent_id": None}
    if isinstance(event, LeadImported):
        row["external_id"] = event.external_id
    tables.rows.insert(event.lead_id, row)


@projection.on(LeadAdopted)
def adopt_lead(tables: Tables, recorded: RecordedEvent, event: LeadAdopted) -> None:
    """Take over the host's row, which has no organisation yet; insert it in a rebuild."""
    row = {**_row(recorded, event), "last_contacted_at": event.last_contacted_at}
    if "updated_at" in event.model_fields_set:
        row["updated_at"] = event.updated_at
    host_row = tables.rows.get(event.lead_id)
    if host_row is not None and host_row["org_id"] is None:
        tables.rows.update(event.lead_id, **row)
    else:
        tables.rows.insert(event.lead_id, {**row, "assigned_agent_id": None})


def _row(recorded: RecordedEvent, event: LeadArrived) -> Row:
    return {
        "id": event.lead_id,
        "org_id": recorded.org_id,
        "property_id": recorded.property_id,
        "source": event.source,
        "first_name": event.first_name,
        "last_name": event.last_name,
        "email": event.email,
        "phone": event.phone,
        "status": event.status.value,
        "created_at": recorded.occurred_at,
        "last_contacted_at": None,
        "updated_at": recorded.occurred_at,
        "move_in_date": event.move_in_date,
        "bedrooms": event.bedrooms,
        "notes": event.notes,
        "external_id": None,
        "merged_into": None,
        "lead_zone": None,
        "restricted_at": None,
    }


@projection.on(LeadUpdated)
def update_lead(tables: Tables, recorded: RecordedEvent, event: LeadUpdated) -> None:
    stored = {name: value for name, value in event.changes.items() if not name.startswith("has_")}
    _change(tables, recorded, event.lead_id, **stored)


@projection.on(LeadStatusChanged)
def set_status(tables: Tables, recorded: RecordedEvent, event: LeadStatusChanged) -> None:
    _change(tables, recorded, event.lead_id, status=event.status.value)


@projection.on(LeadAssigned)
def set_agent(tables: Tables, recorded: RecordedEvent, event: LeadAssigned) -> None:
    changes: dict[str, object] = {"assigned_agent_id": event.assigned_agent_id}
    if recorded.actor in HOST_ACTORS:  # the host's own `updated_at` is in another event
        tables.rows.update(event.lead_id, **changes)
    else:
        _change(tables, recorded, event.lead_id, **changes)


@projection.on(LeadZoneSet)
def set_zone(tables: Tables, recorded: RecordedEvent, event: LeadZoneSet) -> None:
    _change(tables, recorded, event.lead_id, lead_zone=event.lead_zone)


@projection.on(LeadContacted)
def set_last_contact(tables: Tables, recorded: RecordedEvent, event: LeadContacted) -> None:
    _contact(tables, recorded, event.lead_id)


@projection.on(DeliveryHandedOver)
def set_last_message(tables: Tables, recorded: RecordedEvent, event: DeliveryHandedOver) -> None:
    """Count a message that went to a provider as a contact.

    A simulated one went to nobody, a test of a template to an agent, a webhook to a server.
    """
    if is_to_lead(event) and not event.simulated:
        _contact(tables, recorded, event.lead_id)


@projection.on(LeadMerged)
def merge_lead(tables: Tables, recorded: RecordedEvent, event: LeadMerged) -> None:
    _change(tables, recorded, event.loser_id, merged_into=event.winner_id)


@projection.on(LeadUnmerged)
def unmerge_lead(tables: Tables, recorded: RecordedEvent, event: LeadUnmerged) -> None:
    _change(tables, recorded, event.loser_id, merged_into=None)


@projection.on(LeadRestricted)
def restrict_lead(tables: Tables, recorded: RecordedEvent, event: LeadRestricted) -> None:
    _change(tables, recorded, event.lead_id, restricted_at=recorded.occurred_at)


@projection.on(LeadRestrictionLifted)
def lift_restriction(tables: Tables, recorded: RecordedEvent, event: LeadRestrictionLifted) -> None:
    _change(tables, recorded, event.lead_id, restricted_at=None)


def _contact(tables: Tables, recorded: RecordedEvent, lead_id: UUID) -> None:
    """Set the last contact; an earlier contact that arrives late does not change it."""
    stored = tables.rows.get(lead_id)
    before = stored["last_contacted_at"] if stored else None
    at = recorded.occurred_at
    _change(tables, recorded, lead_id, last_contacted_at=at if before is None else max(before, at))


def _change(tables: Tables, recorded: RecordedEvent, lead_id: UUID, **changes: object) -> None:
    tables.rows.update(lead_id, **{"updated_at": recorded.occurred_at, **changes})


def person(org_id: UUID, lead_id: UUID) -> "Select[Any]":
    """Select the surviving lead of an id: the lead itself, or the one it was merged into.

    The column `members` has the ids of that lead and of all leads merged into it. Rows of all of
    them belong to this person.
    """
    in_org = TABLE.c.org_id == org_id
    links = select(TABLE.c.id, TABLE.c.merged_into).where(in_org)
    up = links.where(TABLE.c.id == lead_id).cte("up", recursive=True)
    up = up.union(links.join(up, TABLE.c.id == up.c.merged_into))
    down = select(up.c.id).where(up.c.merged_into.is_(None)).cte("down", recursive=True)
    down = down.union(select(TABLE.c.id).where(in_org).join(down, TABLE.c.merged_into == down.c.id))
    members = select(func.array_agg(down.c.id)).scalar_subquery().label("members")
    top = select(up.c.id).where(up.c.merged_into.is_(None)).scalar_subquery()
    return select(TABLE, members).where(in_org, TABLE.c.id == top)


def of_any(
    column: "ColumnElement[UUID]", lead_ids: "Sequence[UUID] | BindParameter[Any]"
) -> "ColumnElement[bool]":
    """Return the condition that a column has one of these ids, or of those of a placeholder.

    A single id is compared with `=`: the planner estimates that better than IN.
    """
    if isinstance(lead_ids, BindParameter):
        return column == any_(type_coerce(lead_ids, ARRAY(Uuid)))
    return column == lead_ids[0] if len(lead_ids) == 1 else column.in_(lead_ids)


def several(org_id: UUID, lead_ids: Sequence[UUID]) -> "Select[Any]":
    """Select those of these ids that are leads of the organisation."""
    return select(TABLE.c.id).where(TABLE.c.org_id == org_id, TABLE.c.id.in_(lead_ids))


def merged_into(org_id: UUID, lead_ids: Sequence[UUID]) -> "Select[Any]":
    """Select those of these leads that are merged into another one, newest first."""
    columns = TABLE.c
    return (
        select(TABLE)
        .where(columns.org_id == org_id, columns.id.in_(lead_ids), columns.merged_into.is_not(None))
        .order_by(columns.created_at.desc(), columns.id)
    )


def listed_only() -> "ColumnElement[bool]":
    """Return the condition that a lead is shown in lists: each person once.

    A lead that was merged into another is not shown, and neither is a row of the host that was not
    adopted: no other route finds it.
    """
    return and_(TABLE.c.merged_into.is_(None), TABLE.c.org_id.is_not(None))


def count_of(property_id: UUID) -> "Select[Any]":
    """Select the number of leads of a property, each person once."""
    conditions = (TABLE.c.property_id == property_id, listed_only())
    return select(func.count()).select_from(TABLE).where(*conditions)


def newest_of(property_id: UUID) -> "Select[Any]":
    """Select the id of the newest lead of a property."""
    conditions = (TABLE.c.property_id == property_id, listed_only())
    newest_first = (TABLE.c.created_at.desc(), TABLE.c.id.desc())
    return select(TABLE.c.id).where(*conditions).order_by(*newest_first).limit(1)
