"""Route of the work of a day for agents of a property."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from projections import conversation_list, leads, today
from projections.scoring import v1
from services.api.auth.console_authentication import ConsoleReader
from services.api.auth.console_users import ConsoleUser
from services.api.auth.row_security import read_as
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.conversation_summaries import (
    lead_of_conversation,
    summarize_conversation,
    waiting_since,
)
from services.api.current_scores import add_current_scores
from services.api.error_codes import NOT_FOUND, error_responses
from services.api.property_lookup import load_zone_of
from services.api.reading import PreparedQuery, QueryRunner
from services.api.responses import json_response
from services.api.schemas import example
from services.api.schemas.today import (
    LeadToCall,
    OpenTask,
    TodayResponse,
    TourToday,
)

MAX_ROWS = 50
"""The limit of each list: more than anybody does in a day."""
NEWLY_HOT = timedelta(hours=24)
NO_CONTACT = timedelta(days=3)
"""A hot lead whom nobody contacted for so long is called again."""
URGENCY = ("waiting_for_person", "newly_hot", "hot", "no_contact")
HOT_SCORE, WARM_SCORE = (
    next(least for least, bucket in v1.BUCKETS if bucket == name)
    for name in (today.HOT, today.WARM)
)  # fmt: skip
_HOT = PreparedQuery(
    today.hot_leads, "property_id", "contacted_before", hot_score=HOT_SCORE, limit=MAX_ROWS + 1
)
_WARM = PreparedQuery(
    today.warm_leads, "property_id", warm_score=WARM_SCORE, hot_score=HOT_SCORE, limit=MAX_ROWS + 1
)
_SEVERAL = PreparedQuery(today.several_leads, "lead_ids")
_WAITING = PreparedQuery(conversation_list.waiting, "property_id", limit=MAX_ROWS + 1)
_TOURS = PreparedQuery(today.tours_of_days, "property_id", "first", "last", limit=4 * MAX_ROWS)
_TASKS = PreparedQuery(today.open_tasks, "property_id", limit=MAX_ROWS + 1)

router = APIRouter(prefix="/api/today", tags=["leads"])


@router.get(
    "", summary="Get the work of today for agents of a property", response_model=TodayResponse,
    responses=error_responses(NOT_FOUND), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def get_today(
    request: Request,
    caller: ConsoleReader,
    property_id: Annotated[UUID, Query(alias="propertyId", examples=[example.PROPERTY])],
) -> Response:
    """Return whom to call, tours of today and tomorrow, waiting conversations and open tasks.

    To call are leads who wait for a person in a conversation; hot leads whom nobody contacted
    since they became hot, or for 3 days; and warm leads whom nobody ever contacted. Leads who have
    leased or are lost are left out, and so are hot and warm leads after the first thousands by
    score. Each list has at most 50 rows, tours at most 200.
    """
    context = context_of(request)
    now = context.clock.now()
    async with read_as(context.pool, caller.claims) as conn:
        zone = await load_zone_of(conn, caller, property_id)
        day = now.astimezone(zone).date()
        waiting = await conn.all(_WAITING(property_id=property_id))
        to_call = await _load_leads_to_call(conn, caller, property_id, waiting, now)
        tour_rows = await conn.all(
            _TOURS(property_id=property_id, first=day, last=day + timedelta(days=1))
        )
        task_rows = await conn.all(_TASKS(property_id=property_id))
    return json_response({
        "date": day, "timeZone": zone.key,
        "leads": to_call[:MAX_ROWS], "hasMoreLeads": len(to_call) > MAX_ROWS,
        "tours": [_with_lead(row, TourToday) for row in tour_rows],
        "conversations": [summarize_conversation(row) for row in waiting[:MAX_ROWS]],
        "hasMoreConversations": len(waiting) > MAX_ROWS,
        "tasks": [_with_lead(row, OpenTask) for row in task_rows[:MAX_ROWS]],
        "hasMoreTasks": len(task_rows) > MAX_ROWS,
    })  # fmt: skip


async def _load_leads_to_call(
    conn: QueryRunner,
    caller: ConsoleUser,
    property_id: UUID,
    waiting: Sequence[Any],
    now: datetime,
) -> list[dict[str, Any]]:
    """Return the leads to call with their reasons, the most urgent first."""
    conversation_of = await _find_waiting_leads(conn, caller, waiting)
    contacted_before = now - NO_CONTACT
    rows = [
        *await conn.all(_HOT(property_id=property_id, contacted_before=contacted_before)),
        *await conn.all(_WARM(property_id=property_id)),
        *(await conn.all(_SEVERAL(lead_ids=list(conversation_of))) if conversation_of else ()),
    ]
    unique = list({row.id: dict(row) for row in reversed(rows)}.values())
    found = []
    for lead in await add_current_scores(conn, property_id, unique, now):
        reasons = _reasons_of(lead, conversation_of.get(lead["id"]), now)
        if reasons:
            row = {name: lead[name] for name in LeadToCall.model_fields if name != "reasons"}
            found.append({**row, "reasons": reasons})
    return sorted(found, key=_urgency_of)


async def _find_waiting_leads(
    conn: QueryRunner, caller: ConsoleUser, waiting: Sequence[Any]
) -> dict[UUID, Any]:
    """Return surviving lead → its conversation that waits, the one that began last."""
    found: dict[UUID, Any] = {}
    for row in waiting:
        lead_id = row.lead_id
        if row.lead_merged_into is not None:
            person = await conn.first(leads.person(caller.org_id, lead_id))
            lead_id = person.id if person is not None else None
        if lead_id is not None:
            found.setdefault(lead_id, row)
    return found


def _reasons_of(lead: dict[str, Any], conversation: Any, now: datetime) -> list[dict[str, Any]]:
    """Return the reasons to call a lead, the most urgent first; none if it cooled down."""
    reasons = []
    if conversation is not None:
        since = waiting_since(conversation)
        reasons.append(
            {"reason": "waiting_for_person", "since": since, "conversation_id": conversation.id}
        )
    contact, hot_since = lead["last_contacted_at"], lead.get("hot_since")
    reason, since = "no_contact", contact or lead["created_at"]
    if lead["score_bucket"] == today.HOT and hot_since is not None:
        if contact is None or contact < hot_since:
            reason, since = "newly_hot" if now - hot_since < NEWLY_HOT else "hot", hot_since
        elif contact >= now - NO_CONTACT:
            return reasons
    elif contact is not None or lead["score_bucket"] not in (today.HOT, today.WARM):
        return reasons
    return [*reasons, {"reason": reason, "since": since, "conversation_id": None}]


def _urgency_of(lead: dict[str, Any]) -> tuple[int, int, datetime]:
    first = lead["reasons"][0]
    return URGENCY.index(first["reason"]), -(lead["score"] or 0), first["since"]


def _with_lead(row: Any, shown: type[TourToday | OpenTask]) -> dict[str, Any]:
    """Return a row of a list with its lead."""
    return {name: row[name] for name in shown.model_fields if name != "lead"} | {
        "lead": lead_of_conversation(row)
    }
