"""Work of a day for agents: queries over the tables of a property, each with a limit.

Leads to call are selected by their stored scores, which timers keep current.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, true
from sqlalchemy.sql.elements import BindParameter

from events.leads import LeadStatus
from events.tours import TourStatus
from projections import conversations, host, leads, messages, tasks, tours
from projections.scores import STATE
from projections.scores import TABLE as SCORES

HOT, WARM = "hot", "warm"
LEAD_FIELDS = ("id", "first_name", "last_name", "email", "phone", "status")
CLOSED = (LeadStatus.LEASED.value, LeadStatus.LOST.value)
"""The statuses of leads whom nobody has to call."""
_LEAD, _SCORE, _CONVERSATION, _MESSAGE = (
    leads.TABLE.c, STATE.c, conversations.TABLE.c, messages.TABLE.c,
)  # fmt: skip
_LEAD_COLUMNS = [
    *(_LEAD[name] for name in LEAD_FIELDS), _LEAD.source, _LEAD.created_at, _LEAD.last_contacted_at,
]  # fmt: skip


def hot_leads(
    property_id: UUID, hot_score: int, contacted_before: datetime, limit: int
) -> "Select[Any]":
    """Select hot leads whom nobody contacted since they became hot, or since an instant.

    The highest scores come first. `hot_since` is the instant at which a lead became hot.
    """
    last_contact, hot_since = _LEAD.last_contacted_at, _hot_since(_SCORE.lead_id)
    # The history of the scores is read only for leads whose score changed since the contact.
    nobody_called = or_(
        last_contact.is_(None),
        last_contact < contacted_before,
        and_(last_contact < _SCORE.scored_at, last_contact < hot_since),
    )
    scores = select(_SCORE.lead_id, _SCORE.total_score, hot_since.label("hot_since")).where(
        _SCORE.property_id == property_id, _SCORE.total_score >= hot_score
    )
    return _first_by_score(scores, nobody_called, limit)


def warm_leads(property_id: UUID, warm_score: int, hot_score: int, limit: int) -> "Select[Any]":
    """Select warm leads whom nobody ever contacted, the highest scores first."""
    scores = select(_SCORE.lead_id, _SCORE.total_score).where(
        _SCORE.property_id == property_id,
        _SCORE.total_score >= warm_score,
        _SCORE.total_score < hot_score,
    )
    return _first_by_score(scores, _LEAD.last_contacted_at.is_(None), limit)


def several_leads(lead_ids: "Sequence[UUID] | BindParameter[Any]") -> "Select[Any]":
    """Select the leads with these ids, if somebody may call them."""
    return select(*_LEAD_COLUMNS).where(leads.of_any(_LEAD.id, lead_ids), *_may_be_called())


def _first_by_score(
    scores: "Select[Any]", condition: ColumnElement[bool], limit: int
) -> "Select[Any]":
    """Select the leads of the first scores, in order, that fulfil a condition on the lead.

    Each lead is looked up in the order of the scores, until there are enough: an index has it.
    """
    fulfils = select(true()).where(_LEAD.id == _SCORE.lead_id, condition, *_may_be_called())
    page = (
        scores.where(fulfils.correlate(STATE).scalar_subquery())
        .order_by(_SCORE.total_score.desc(), _SCORE.lead_id.desc())
        .limit(limit)
        .subquery("page")
    )
    more = [column for column in page.c if column.name == "hot_since"]
    return (
        select(*_LEAD_COLUMNS, *more)
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


def _hot_since(lead_id: "ColumnElement[UUID]") -> "ColumnElement[datetime]":
    """Return the instant of the first score after the last one that was not hot."""
    colder = SCORES.alias("colder").c
    last_colder = (
        select(func.coalesce(func.max(colder.revision), 0))
        .where(colder.lead_id == lead_id, colder.score_bucket != HOT)
        .correlate(STATE)
        .scalar_subquery()
    )
    return (
        select(func.min(SCORES.c.scored_at))
        .where(SCORES.c.lead_id == lead_id, SCORES.c.revision > last_colder)
        .correlate(STATE)
        .scalar_subquery()
    )


def waiting_conversations(property_id: UUID, limit: int) -> "Select[Any]":
    """Select the conversations that wait for a person, those that began last first.

    The visitor waits if the bot gave up, or if nobody replied to the last message although an agent
    is in charge. `waiting_since` is the first message that nobody replied to, or null.
    """
    of_conversation = _MESSAGE.conversation_id == _CONVERSATION.id
    last = (
        select(_MESSAGE.role, _MESSAGE.created_at, _MESSAGE.content)
        .where(of_conversation, _MESSAGE.role != "system")
        .order_by(_MESSAGE.position.desc())
        .limit(1)
        .lateral("last")
    )
    reply = messages.TABLE.alias("reply").c
    last_reply = (
        select(func.coalesce(func.max(reply.position), 0))
        .where(reply.conversation_id == _CONVERSATION.id, reply.role == "assistant")
        .correlate(conversations.TABLE)
        .scalar_subquery()
    )
    waiting_since = (
        select(func.min(_MESSAGE.created_at))
        .where(of_conversation, _MESSAGE.role == "user", _MESSAGE.position > last_reply)
        .correlate(conversations.TABLE)
        .scalar_subquery()
    )
    agent = host.PROFILES
    return (
        select(
            conversations.TABLE,
            *(_LEAD[name].label(f"lead_{name}") for name in LEAD_FIELDS if name != "id"),
            _LEAD.merged_into.label("lead_merged_into"),
            last.c.role.label("last_role"),
            last.c.created_at.label("last_at"),
            func.left(last.c.content, 201).label("last_content"),
            waiting_since.label("waiting_since"),
            agent.c.full_name.label("human_agent_name"),
        )
        .outerjoin(leads.TABLE, _LEAD.id == _CONVERSATION.lead_id)
        .outerjoin(agent, agent.c.id == _CONVERSATION.human_agent_id)
        .outerjoin(last, true())
        .where(
            _CONVERSATION.property_id == property_id,
            _CONVERSATION.org_id.is_not(None),
            conversations.IN_PERSON,
            or_(_CONVERSATION.waiting_for_human, last.c.role == "user"),
        )
        .order_by(_CONVERSATION.created_at.desc(), _CONVERSATION.id.desc())
        .limit(limit)
    )


def tours_of_days(property_id: UUID, first: date, last: date, limit: int) -> "Select[Any]":
    """Select the tours of some days of a property, in order, without the cancelled ones."""
    tour, agent = tours.TABLE.c, host.PROFILES
    return (
        select(
            tour.id, tour.lead_id, tour.tour_date, tour.tour_time, tour.tour_type, tour.status,
            tour.starts_at, tour.duration_minutes, tour.notes, tour.assigned_agent_id,
            agent.c.full_name.label("agent_name"),
            *(_LEAD[name].label(f"lead_{name}") for name in LEAD_FIELDS if name != "id"),
        )
        .join(leads.TABLE, _LEAD.id == tour.lead_id)
        .outerjoin(agent, agent.c.id == tour.assigned_agent_id)
        .where(
            tour.property_id == property_id, tour.tour_date >= first, tour.tour_date <= last,
            tour.status != TourStatus.CANCELLED.value,
        )
        .order_by(tour.tour_date, tour.tour_time, tour.fold, tour.id)
        .limit(limit)
    )  # fmt: skip


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
