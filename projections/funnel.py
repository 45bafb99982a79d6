"""The way of leads from first contact to lease, by the source from which they came."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select

from projections import leads, sessions, tours


def by_source(property_id: UUID, since: datetime) -> "Select[Any]":
    """Select source, leads that came since an instant, and how many toured and leased.

    A merged lead counts as the lead into which it was merged. A cancelled tour does not count.
    """
    lead, tour = leads.TABLE.c, tours.TABLE.c
    with_tour = (
        select(tour.lead_id)
        .distinct()
        .where(tour.property_id == property_id, tour.status != "cancelled")
        .subquery("with_tour")
    )
    count = func.count()
    return (
        select(
            lead.source, count.label("leads"),
            func.count(with_tour.c.lead_id).label("toured"),
            count.filter(lead.status == "leased").label("leased"),
        )
        .select_from(leads.TABLE.outerjoin(with_tour, with_tour.c.lead_id == lead.id))
        .where(
            lead.property_id == property_id, lead.created_at >= since, leads.listed_only()
        )
        .group_by(lead.source)
        .order_by(count.desc(), lead.source)
    )  # fmt: skip


def visitors(property_id: UUID, since: datetime) -> "Select[Any]":
    """Select the number of sessions of the web chat that began since an instant."""
    session = sessions.TABLE.c
    return select(func.count()).where(
        session.property_id == property_id, session.created_at >= since
    )
