"""`tours`: booked visits of leads, at a local time of the property, with their status."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Column,
    Date,
    Index,
    Integer,
    Select,
    SmallInteger,
    Table,
    Text,
    Time,
    and_,
    func,
    select,
    text,
)

from events.deliveries import DeliveryHandedOver, DeliveryPurpose
from events.event import Event
from events.record import RecordedEvent
from events.tours import (
    TourAmended,
    TourCancelled,
    TourCompleted,
    TourConfirmed,
    TourNoShowCorrected,
    TourNoShowRecorded,
    TourRescheduled,
    TourScheduled,
    TourStatus,
)
from projections import host, leads
from projections.columns import INSTANT, NOW, key, org, refers
from projections.engine.derived_table import METADATA, DerivedTable, personal
from projections.engine.projection import Projection, Tables

_BOOKED = text("created_by IS NULL")
_KEPT = text("status <> 'cancelled'")
TABLE = Table(
    "tours",
    METADATA,
    key(),
    refers("lead_id", "leads.id", "CASCADE"),
    refers("property_id", "properties.id", "CASCADE"),
    Column("tour_date", Date, nullable=False),
    Column("tour_time", Time, nullable=False),
    Column("tour_type", Text, server_default="in_person"),
    Column("status", Text, server_default="scheduled"),
    personal(Column("notes", Text)),
    refers("assigned_agent_id", "profiles.id"),
    refers("created_by", "profiles.id"),
    Column("confirmation_sent_at", INSTANT),
    Column("reminder_24h_sent_at", INSTANT),
    Column("reminder_1h_sent_at", INSTANT),
    Column("created_at", INSTANT, server_default=NOW),
    Column("updated_at", INSTANT, server_default=NOW),
    org(),
    Column("duration_minutes", Integer, server_default=text("30")),
    Column("time_zone", Text),
    Column("fold", SmallInteger, server_default=text("0")),
    Column("starts_at", INSTANT),
    Column("revision", Integer, server_default=text("1")),
    Column("follow_up_sent_at", INSTANT),
    Index("idx_tours_lead", "lead_id"),
    Index("idx_tours_property", "property_id"),
    Index("idx_tours_booked", "property_id", "lead_id", "created_at", postgresql_where=_BOOKED),
    Index("idx_tours_kept", "property_id", "lead_id", postgresql_where=_KEPT),
    Index("idx_tours_date", "tour_date"),
    Index("idx_tours_status", "status"),
)
projection = Projection("tours", 2, DerivedTable(TABLE, ("tour_id",), subject="lead_id"))

LEAD_FIELDS = ("id", "first_name", "last_name", "email", "phone", "status")
"""The columns of a lead that are shown beside its tour."""

LIVE = (TourStatus.SCHEDULED.value, TourStatus.CONFIRMED.value)
"""The statuses of a tour that is going to take place."""
STATUS_OF: dict[type[Event], TourStatus] = {
    TourConfirmed: TourStatus.CONFIRMED,
    TourCompleted: TourStatus.COMPLETED,
    TourCancelled: TourStatus.CANCELLED,
    TourNoShowRecorded: TourStatus.NO_SHOW,
}

SENT_AT = {
    DeliveryPurpose.TOUR_CONFIRMATION: "confirmation_sent_at",
    DeliveryPurpose.TOUR_REMINDER_24H: "reminder_24h_sent_at",
    DeliveryPurpose.TOUR_REMINDER_1H: "reminder_1h_sent_at",
}
"""The purpose of a message → the column with the instant of its first hand-over."""


@projection.on(TourScheduled)
def insert_tour(tables: Tables, recorded: RecordedEvent, event: TourScheduled) -> None:
    row = {
        "id": event.tour_id,
        "org_id": recorded.org_id,
        "property_id": recorded.property_id,
        "lead_id": event.lead_id,
        "tour_date": event.tour_date,
        "tour_time": event.tour_time,
        "tour_type": event.tour_type.value,
        "status": TourStatus.SCHEDULED.value,
        "notes": event.notes,
        "assigned_agent_id": event.assigned_agent_id,
        "created_by": event.created_by,
        "created_at": recorded.occurred_at,
        "updated_at": recorded.occurred_at,
        "duration_minutes": event.duration_minutes,
        "time_zone": event.time_zone,
        "fold": event.fold,
        "starts_at": event.starts_at,
        "revision": 1,
    }
    tables.rows.insert(event.tour_id, row)


@projection.on(TourRescheduled)
def reschedule_tour(tables: Tables, recorded: RecordedEvent, event: TourRescheduled) -> None:
    tables.rows.update(
        event.tour_id, tour_date=event.tour_date, tour_time=event.tour_time,
        time_zone=event.time_zone, fold=event.fold, starts_at=event.starts_at,
        duration_minutes=event.duration_minutes, revision=event.revision,
        reminder_24h_sent_at=None, reminder_1h_sent_at=None, status=TourStatus.SCHEDULED.value,
        updated_at=recorded.occurred_at,
    )  # fmt: skip


@projection.on(TourAmended)
def amend_tour(tables: Tables, recorded: RecordedEvent, event: TourAmended) -> None:
    changes = event.changes
    if changes.get("tour_type"):
        changes["tour_type"] = changes["tour_type"].value
    tables.rows.update(event.tour_id, **changes, updated_at=recorded.occurred_at)


@projection.on(TourConfirmed, TourCompleted, TourCancelled, TourNoShowRecorded)
def set_status(
    tables: Tables,
    recorded: RecordedEvent,
    event: TourConfirmed | TourCompleted | TourCancelled | TourNoShowRecorded,
) -> None:
    status = STATUS_OF[type(event)].value
    tables.rows.update(event.tour_id, status=status, updated_at=recorded.occurred_at)


@projection.on(TourNoShowCorrected)
def correct_no_show(tables: Tables, recorded: RecordedEvent, event: TourNoShowCorrected) -> None:
    tables.rows.update(event.tour_id, status=event.status.value, updated_at=recorded.occurred_at)


@projection.on(DeliveryHandedOver)
def set_sent_at(tables: Tables, recorded: RecordedEvent, event: DeliveryHandedOver) -> None:
    """Set when the first message of its kind was handed over; a simulated one went to nobody.

    A reminder counts for the revision that it was planned for.
    """
    column = SENT_AT.get(event.purpose)
    tour = None if event.tour_id is None else tables.rows.get(event.tour_id)
    if column is None or tour is None or tour.get(column) or event.simulated:
        return
    is_current = event.tour_revision in (None, tour["revision"])
    if is_current or event.purpose is DeliveryPurpose.TOUR_CONFIRMATION:
        tables.rows.update(tour["id"], **{column: recorded.occurred_at})


def of_leads(org_id: UUID, lead_ids: Sequence[UUID]) -> "Select[Any]":
    """Select the tours of a person by date and time, with the agent's name as `agent_name`.

    `lead_ids` are all leads of the person (`leads.person`).
    """
    agent = host.PROFILES
    return (
        select(TABLE, agent.c.full_name.label("agent_name"))
        .outerjoin(agent, agent.c.id == TABLE.c.assigned_agent_id)
        .where(TABLE.c.org_id == org_id, leads.of_any(TABLE.c.lead_id, lead_ids))
        .order_by(TABLE.c.tour_date, TABLE.c.tour_time, TABLE.c.id)
    )


def by_id(org_id: UUID, lead_ids: Sequence[UUID], tour_id: UUID) -> "Select[Any]":
    """Select a tour of a person; `lead_ids` are all leads of the person."""
    conditions = (TABLE.c.org_id == org_id, TABLE.c.lead_id.in_(lead_ids), TABLE.c.id == tour_id)
    return select(TABLE).where(*conditions)


def of_days(property_id: UUID, first: date, last: date, limit: int) -> "Select[Any]":
    """Select the tours of some local days of a property in order, with their leads."""
    columns = TABLE.c
    return (
        _with_lead()
        .where(
            columns.property_id == property_id, columns.tour_date >= first,
            columns.tour_date <= last,
        )
        .order_by(columns.tour_date, columns.tour_time, columns.fold, columns.id)
        .limit(limit)
    )  # fmt: skip


def of_organization(org_id: UUID, tour_id: UUID) -> "Select[Any]":
    """Select a tour of an organisation, with its lead."""
    return _with_lead().where(TABLE.c.org_id == org_id, TABLE.c.id == tour_id)


def _with_lead() -> "Select[Any]":
    """Select tours with the agent's name as `agent_name` and the lead's fields as `lead_…`."""
    agent, lead = host.PROFILES, leads.TABLE
    names = [name for name in LEAD_FIELDS if name != "id"]
    return (
        select(
            TABLE, agent.c.full_name.label("agent_name"),
            *(lead.c[name].label(f"lead_{name}") for name in names),
        )
        .join(lead, lead.c.id == TABLE.c.lead_id)
        .outerjoin(agent, agent.c.id == TABLE.c.assigned_agent_id)
    )  # fmt: skip


def next_of(org_id: UUID, lead_ids: Sequence[UUID], now: datetime) -> "Select[Any]":
    """Select `starts_at` of the next tour of each of these leads that has one.

    A tour of a lead that was merged into one of them is a tour of that lead, its `top_id`.
    """
    lead = leads.TABLE.c
    own = select(lead.id.label("top_id"), lead.id).where(
        lead.org_id == org_id, lead.id.in_(lead_ids)
    )
    person = own.cte("person", recursive=True)
    person = person.union(
        select(person.c.top_id, lead.id).join(person, lead.merged_into == person.c.id)
    )
    is_coming = and_(TABLE.c.status.in_(LIVE), TABLE.c.starts_at > now)
    return (
        select(person.c.top_id, func.min(TABLE.c.starts_at).label("starts_at"))
        .join(TABLE, TABLE.c.lead_id == person.c.id)
        .where(TABLE.c.org_id == org_id, is_coming)
        .group_by(person.c.top_id)
    )
