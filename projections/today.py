"""Work of a day for agents: queries over the tables of a property, each with a limit.

Leads to call are selected by their stored scores, which timers keep current.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Subquery, and_, func, or_, select, true
from sqlalchemy.sql.elements import BindParameter

from events.leads import LeadStatus
from events.tours import TourStatus
from projections import host, leads, tasks, tours
from projections.conversation_list import LEAD_FIELDS
from projections.scores import STATE
from projections.scores import TABLE as SCORES

HOT, WARM = "hot", "warm"
MAX_HOT, MAX_WARM = 3_000, 1_000
"""The leads with the highest scores that are examined, so that a large property takes no longer."""
CLOSED = (LeadStatus.LEASED.value, LeadStatus.LOST.value)
"""The statuses of leads whom nobody has to call."""
_LEAD, _SCORE = leads.TABLE.c, STATE.c
_LEAD_COLUMNS = [
    *(_LEAD[name] for name in LEAD_FIELDS), _LEAD.source, _LEAD.created_at, _LEAD.last_contacted_at,
]  # fmt: skip


def hot_leads(
    property_id: UUID, hot_score: int, contacted_before: datetime, limit: int
) -> "Select[Any]":
    """Select hot leads whom nobody contacted since they became hot, or since an instant.

    The highest scores come first. `hot_since` is the instant at which a lead became hot.
    """
    scores = _first_scores(MAX_HOT, property_id, _SCORE.total_score >= hot_score)
    last_contact, hot_since = _LEAD.last_contacted_at, _hot_since(scores)
    # The history of the scores is read only for leads whose score changed since the contact.
    nobody_called = or_(
        last_contact.is_(None),
        last_contact < contacted_before,
        and_(last_contact < scores.c.scored_at, last_contact < hot_since),
    )
    return _select_leads(scores, nobody_called, limit, hot_since.label("hot_since"))


def warm_leads(property_id: UUID, warm_score: int, hot_score: int, limit: int) -> "Select[Any]":
    """Select warm leads whom nobody ever contacted, the highest scores first."""
    is_warm = and_(_SCORE.total_score >= warm_score, _SCORE.total_score < hot_score)
    scores = _first_scores(MAX_WARM, property_id, is_warm)
    return _select_leads(scores, _LEAD.last_contacted_at.is_(None), limit)


def several_leads(lead_ids: "Sequence[UUID] | BindParameter[Any]") -> "Select[Any]":
    """Select the leads with these ids, if somebody may call them."""
    return select(*_LEAD_COLUMNS).where(leads.of_any(_LEAD.id, lead_ids), *_may_be_called())


def _first_scores(limit: int, property_id: UUID, condition: ColumnElement[bool]) -> Subquery:
    """Return the highest scores of a property, in the order of an index."""
    return (
        select(_SCORE.lead_id, _SCORE.total_score, _SCORE.scored_at)
        .where(_SCORE.property_id == property_id, condition)
        .order_by(_SCORE.total_score.desc(), _SCORE.lead_id.desc())
        .limit(limit)
        .subquery("scores")
    )


def _select_leads(
    scores: Subquery, condition: ColumnElement[bool], limit: int, *more: ColumnElement[Any]
) -> "Select[Any]":
    """Select the first of these leads, by their score, that fulfil a condition on the lead.

    Each lead is looked up in the order of the scores, until there are enough. Nobody can call or
    write to a lead without an address, such as an erased person.
    """
    has_address = or_(_LEAD.phone.is_not(None), _LEAD.email.is_not(None))
    fulfils = select(true()).where(
        _LEAD.id == scores.c.lead_id, condition, has_address, *_may_be_called()
    )
    page = (
        select(scores.c.lead_id, scores.c.total_score, *more)
        .where(fulfils.correlate(scores).scalar_subquery())
        .order_by(scores.c.total_score.desc(), scores.c.lead_id.desc())
        .limit(limit)
        .subquery("page")
    )
    found = [column for column in page.c if column.name not in ("lead_id", "total_score")]
    return (
        select(*_LEAD_COLUMNS, *found)
        .join(page, page.c.lead_id == _LEAD.id)
        .order_by(page.c.total_score.desc(), _LEAD.id.desc())
    )


def _may_be_called() -> list[ColumnElement[bool]]:
    """Return the conditions of leads whose data may be used, without those who leased or left."""
    return [
        leads.listed_only(),
        _LEAD.restricted_at.is_(None),
        *(_LEAD.status.is_distinct_from(status) for status in CLOSED),
    ]


def _hot_since(scores: Subquery) -> "ColumnElement[datetime]":
    """Return the instant of the first score after the last one that was not hot."""
    colder = SCORES.alias("colder").c
    last_colder = (
        select(func.coalesce(func.max(colder.revision), 0))
        .where(colder.lead_id == scores.c.lead_id, colder.score_bucket != HOT)
        .correlate(scores)
        .scalar_subquery()
    )
    return (
        select(func.min(SCORES.c.scored_at))
        .where(SCORES.c.lead_id == scores.c.lead_id, SCORES.c.revision > last_colder)
        .correlate(scores)
        .scalar_subquery()
    )


def tours_of_days(property_id: UUID, first: date, last: date, limit: int) -> "Select[Any]":
    """Select the tours of some days of a property, in order, without the cancelled ones."""
    return tours.of_days(property_id, first, last, limit).where(
        tours.TABLE.c.status != TourStatus.CANCELLED.value
    )


def open_tasks(property_id: UUID, limit: int) -> "Select[Any]":
    """Select the tasks that nobody has done yet, by their due time; those without one last."""
    stored, agent = tasks.TABLE.c, host.PROFILES
    is_open = or_(stored.status == tasks.OPEN, stored.status == tasks.DUE)
    first = (
        select(tasks.TABLE)
        .where(stored.property_id == property_id, is_open)
        .order_by(stored.due_at.asc().nulls_last(), stored.id)
        .limit(limit)
        .subquery("first")
    )
    task = first.c
    return (
        select(
            task.id, task.lead_id, task.title, task.notes, task.status, task.due_at,
            task.assigned_agent_id, agent.c.full_name.label("agent_name"),
            *(_LEAD[name].label(f"lead_{name}") for name in LEAD_FIELDS if name != "id"),
        )
        .join(leads.TABLE, _LEAD.id == task.lead_id)
        .outerjoin(agent, agent.c.id == task.assigned_agent_id)
        .order_by(task.due_at.asc().nulls_last(), task.id)
    )  # fmt: skip
