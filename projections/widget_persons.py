"""Persons that a property's widget brought in a time range; those of merged leads count once."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    FromClause,
    Select,
    and_,
    distinct,
    except_,
    exists,
    func,
    or_,
    select,
    union,
    union_all,
)
from sqlalchemy.sql.selectable import CTE

from projections import leads, sessions, tours


class TimeRange(NamedTuple):
    """The rows of a property that were created at or after `begin` and before `end`."""

    property_id: UUID
    begin: datetime | None
    end: datetime | None

    def of(self, table: FromClause) -> list[ColumnElement[bool]]:
        """Return the conditions that a row is in the range."""
        conditions: list[ColumnElement[bool]] = [table.c.property_id == self.property_id]
        if self.begin is not None:
            conditions.append(table.c.created_at >= self.begin)
        if self.end is not None:
            conditions.append(table.c.created_at < self.end)
        return conditions


def count(time_range: TimeRange) -> "Select[Any]":
    """Select one row: `converted` and `leads`.

    `converted` are the persons with a session. `leads` are also those who booked a tour, or whom
    the widget captured, with a lead that has no session at any time.

    All leads are counted first. Each counted lead that was merged is then replaced by its surviving
    lead, unless that one is counted already. The merged leads are looked up one by one: the planner
    expects almost none of them, and a join would compare each with every lead.
    """
    session, merged = sessions.TABLE.c, _merged(time_range).c
    winners = func.count(distinct(merged.winner_id))
    is_new_visitor = and_(merged.is_visitor, ~merged.winner_is_visitor)
    is_new_lead = ~or_(merged.winner_is_visitor, merged.winner_is_other)
    all_visitors = _visitors(time_range).with_only_columns(func.count(distinct(session.lead_id)))
    all_leads = select(func.count()).select_from(_brought(time_range).subquery("brought"))
    changes = select(
        (winners.filter(is_new_visitor) - func.count().filter(merged.is_visitor)).label("visitors"),
        (winners.filter(is_new_lead) - func.count(merged.winner_id)).label("leads"),
    ).subquery("changes")
    return select(
        (changes.c.visitors + all_visitors.scalar_subquery()).label("converted"),
        (changes.c.leads + all_leads.scalar_subquery()).label("leads"),
    )


def _visitors(time_range: TimeRange) -> "Select[Any]":
    session = sessions.TABLE
    return select(session.c.lead_id).where(*time_range.of(session), session.c.lead_id.is_not(None))


def _brought(time_range: TimeRange) -> CompoundSelect[Any]:
    """Select the leads with a session, and those without one who booked a tour or were captured.

    The indexes have the leads in order, so that the parts are merged without sorting. In all time,
    a lead with a session is a visitor already, and sessions need not be read again.
    """
    tour, lead = tours.TABLE, leads.TABLE
    booked = select(tour.c.lead_id).where(*time_range.of(tour), tour.c.created_by.is_(None))
    captured = select(lead.c.id).where(*time_range.of(lead), leads.CAPTURED_BY_WIDGET)
    visitors = _visitors(time_range)
    if time_range.begin is None and time_range.end is None:
        return union(visitors, booked, captured)
    others = except_(
        union_all(booked, captured), _visitors(TimeRange(time_range.property_id, None, None))
    )
    return union(visitors, others)


def _merged(time_range: TimeRange) -> CTE:
    """Select the counted leads that were merged, each with its surviving lead `winner_id`.

    Columns tell of both whether they are counted, as a visitor or as another lead.
    """
    lead, above = leads.TABLE, leads.TABLE.alias("above")
    chain = (
        select(lead.c.id.label("lead_id"), lead.c.merged_into.label("winner_id"))
        .where(lead.c.property_id == time_range.property_id, lead.c.merged_into.is_not(None))
        .cte("chain", recursive=True)
    )
    chain = chain.union(
        select(chain.c.lead_id, above.c.merged_into)
        .join(above, above.c.id == chain.c.winner_id)
        .where(above.c.merged_into.is_not(None))
    )
    losers = _computed_once(
        select(
            chain.c.winner_id,
            _is_visitor(time_range, chain.c.lead_id).label("is_visitor"),
            _is_other(time_range, chain.c.lead_id).label("is_other"),
        ).where(chain.c.winner_id.not_in(select(chain.c.lead_id))),
        "losers",
    )
    return _computed_once(
        select(
            losers,
            _is_visitor(time_range, losers.c.winner_id).label("winner_is_visitor"),
            _is_other(time_range, losers.c.winner_id).label("winner_is_other"),
        ).where(or_(losers.c.is_visitor, losers.c.is_other)),
        "merged",
    )


def _computed_once(query: "Select[Any]", name: str) -> CTE:
    """Return the query as a table: as a part of another query its columns are computed again."""
    return query.cte(name).prefix_with("MATERIALIZED")


def _is_visitor(time_range: TimeRange, lead_id: ColumnElement[UUID]) -> ColumnElement[bool]:
    """Return the condition that a lead has a session in the range."""
    session = sessions.TABLE.alias("own_session")
    return exists().where(session.c.lead_id == lead_id, *time_range.of(session))


def _is_other(time_range: TimeRange, lead_id: ColumnElement[UUID]) -> ColumnElement[bool]:
    """Return the condition that a lead is brought without a session."""
    session, tour, lead = (
        sessions.TABLE.alias("any_session"), tours.TABLE.alias("tour"), leads.TABLE.alias("lead"),
    )  # fmt: skip
    has_session = exists().where(
        session.c.lead_id == lead_id, session.c.property_id == time_range.property_id
    )
    has_booked = exists().where(
        tour.c.lead_id == lead_id, *time_range.of(tour), tour.c.created_by.is_(None)
    )
    is_captured = exists().where(
        lead.c.id == lead_id, *time_range.of(lead), leads.CAPTURED_BY_WIDGET
    )
    return and_(~has_session, or_(has_booked, is_captured))
