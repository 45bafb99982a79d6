"""The console's list of messages: those of a property, counted and page by page, newest first.

Every query names the property and the oldest instant, so that `idx_deliveries_property` is used.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, tuple_

from projections import leads, runs, workflows
from projections.send_intents import SIMULATED, TABLE
from projections.tours import LEAD_FIELDS

DeliveryPosition: TypeAlias = tuple[datetime, UUID]
"""The sort key of a message: when it was planned, and its id."""
STATES: dict[str, tuple[str, ...]] = {
    "held": ("held", "released"),
    "planned": ("planned", "claimed"),
    "not_sent": ("skipped", "never_sent", SIMULATED),
    "failed": ("failed",),
    "unknown": ("unknown",),
    "sent": ("handed_over", "delivered"),
}
"""State for people → statuses of the table. Nobody got a simulated message."""
WAITING = (*STATES["held"], *STATES["planned"])
NOT_LEFT = tuple(
    status for state, statuses in STATES.items() if state != "sent" for status in statuses
)
"""The statuses of messages that wait or did not leave."""
MAX_COUNTED = 10_000


@dataclass(frozen=True, slots=True)
class DeliveryWindow:
    """The messages of a property planned since `since`, and those that wait since `oldest`."""

    property_id: UUID
    since: datetime
    oldest: datetime

    def matches(self) -> ColumnElement[bool]:
        """Return the condition of a message of this window."""
        columns = TABLE.c
        return and_(
            columns.property_id == self.property_id, columns.planned_at >= self.oldest,
            or_(columns.planned_at >= self.since, columns.status.in_(WAITING)),
        )  # fmt: skip


def counts(window: DeliveryWindow) -> "Select[Any]":
    """Select the number of messages of each status, of the newest `MAX_COUNTED`."""
    newest = (
        select(TABLE.c.status)
        .where(window.matches())
        .order_by(TABLE.c.planned_at.desc())
        .limit(MAX_COUNTED)
        .subquery()
    )
    return select(newest.c.status, func.count().label("messages")).group_by(newest.c.status)


def page(
    window: DeliveryWindow, statuses: tuple[str, ...], before: DeliveryPosition | None, limit: int
) -> "Select[Any]":
    """Select a page of messages, newest first, with their lead and the name of their workflow."""
    columns = TABLE.c
    query = _with_lead().where(window.matches(), columns.status.in_(statuses))
    if before is not None:
        query = query.where(tuple_(columns.planned_at, columns.id) < tuple_(*before))
    return query.order_by(columns.planned_at.desc(), columns.id.desc()).limit(limit)


def next_to_leave(window: DeliveryWindow) -> "Select[Any]":
    """Select the waiting message at which the sender looks first."""
    columns = TABLE.c
    return (
        _with_lead()
        .where(window.matches(), columns.status.in_(("held", "released", "planned")))
        .order_by(func.coalesce(columns.held_until, columns.due_at), columns.id)
        .limit(1)
    )


def _with_lead() -> "Select[Any]":
    """Select ids of messages with the lead's fields as `lead_…` and the name of the workflow."""
    lead, run, definition = leads.TABLE, runs.TABLE, workflows.TABLE
    return (
        select(
            TABLE.c.id, TABLE.c.planned_at, definition.c.name.label("workflow"),
            *(lead.c[name].label(f"lead_{name}") for name in LEAD_FIELDS),
        )
        .join(lead, lead.c.id == TABLE.c.lead_id)
        .outerjoin(run, run.c.id == TABLE.c.run_id)
        .outerjoin(definition, definition.c.id == run.c.workflow_id)
    )  # fmt: skip
