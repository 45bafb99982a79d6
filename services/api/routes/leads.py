"""Routes of leads in the console."""

from dataclasses import replace
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from events.fields import Line
from events.leads import LeadStatus
from projections import lead_list, tours
from projections.lead_list import LeadFilter
from projections.lead_orders import PageCut, SortBy
from services.api.auth.console_authentication import ConsoleReader, ConsoleWriter
from services.api.auth.row_security import read_as
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.current_scores import add_current_scores
from services.api.error_codes import (
    CONTACT,
    LEAD_ZONE,
    LEASED,
    NO_CONTACT,
    NOT_FOUND,
    STAFF,
    SUBJECT,
    error_responses,
)
from services.api.idempotency import CHECK_IDEMPOTENCY_KEY
from services.api.lead_pages import page_query
from services.api.lead_rows import build_surviving_lead_row
from services.api.problems import Problem
from services.api.property_lookup import (
    load_country,
    property_of_lead,
    require_property,
    require_property_row,
)
from services.api.reading import PreparedQuery
from services.api.request_body import BodyParser, ParsedBody
from services.api.responses import (
    ResponseBody,
    encode_json,
    execute_write,
    json_response,
)
from services.api.schemas import example
from services.api.schemas.leads import (
    LeadChangeRequest,
    LeadListResponse,
    LeadRequest,
    LeadResponse,
    WaitingLeadResponse,
)
from services.api.schemas.schema import BLANK_TO_NONE
from services.application.leads import find_contact_owners
from services.application.unit_of_work import UnitOfWork
from services.deciders.contacts import searched_numbers
from services.deciders.decider import Refused
from services.deciders.leads import (
    AssignLead,
    CaptureLead,
    ChangeStatus,
    SetLeadZone,
    UpdateLead,
)
from services.host import load_property
from services.runtime.unicode_text import normalize_texts

_GROUPS = PreparedQuery(lead_list.count_by_status_and_source, "property_id")
PAGE_SIZE, MAX_PAGE_SIZE, MAX_PAGE = 25, 200, 1_000_000

router = APIRouter(prefix="/api/leads", tags=["leads"])


@router.get(
    "", summary="List the leads of a property", response_model=LeadListResponse,
    responses=error_responses(NOT_FOUND), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def list_leads(
    request: Request,
    caller: ConsoleReader,
    property_id: Annotated[UUID, Query(alias="propertyId", examples=[example.PROPERTY])],
    status: Annotated[LeadStatus | None, BLANK_TO_NONE, Query()] = None,
    source: Annotated[Line | None, BLANK_TO_NONE, Query()] = None,
    assigned_agent_id: Annotated[UUID | None, BLANK_TO_NONE, Query(alias="assignedAgentId")] = None,
    search: Annotated[
        Line | None,
        BLANK_TO_NONE,
        Query(description="A part of a name, an e-mail address or a phone number."),
    ] = None,
    sort_by: Annotated[SortBy, Query(alias="sortBy")] = "created_at",
    sort_order: Annotated[Literal["asc", "desc"], Query(alias="sortOrder")] = "desc",
    page: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 1,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE)] = PAGE_SIZE,
    with_next_tour: Annotated[bool, Query(alias="withNextTour")] = False,
) -> Response:
    """Return a page of leads, each with its current score; if asked, with its next tour.

    Sorting by score uses the stored score, which timers keep current. Filters and summary count
    all leads of the property.
    """
    context = context_of(request)
    async with read_as(context.pool, caller.claims) as conn:
        await require_property_row(conn, caller, property_id)
        lead_filter = LeadFilter(
            property_id, status, normalize_texts(source), assigned_agent_id=assigned_agent_id
        )
        if search:
            await conn.plan_for_values()
            country = await load_country(conn, property_id)
            lead_filter = replace(
                lead_filter,
                search=" ".join(search.split()),
                searched_numbers=searched_numbers(search, country),
            )
        groups = await conn.all(_GROUPS(property_id=property_id))
        listed = sum(group.leads for group in groups)
        if search or assigned_agent_id:
            total = await conn.scalar(lead_list.count(lead_filter)) or 0
        else:
            # The groups have been read already; counting again would scan all leads once more.
            total = sum(group.leads for group in groups if _matches(group, lead_filter))
        cut = PageCut((page - 1) * limit, limit, sort_order == "desc")
        query = page_query(lead_filter, sort_by, cut, total=total, listed=listed)
        rows = [dict(row) for row in await conn.all(query)] if total else []
        leads = await add_current_scores(conn, property_id, rows, context.clock.now())
        if with_next_tour:
            query = tours.next_of(caller.org_id, [row["id"] for row in rows], context.clock.now())
            next_tours = {row.top_id: row.starts_at for row in await conn.all(query)}
            leads = [{**lead, "next_tour_at": next_tours.get(lead["id"])} for lead in leads]
    summary: dict[str, int] = {}
    for group in groups:
        if group.status is not None:
            summary[group.status] = summary.get(group.status, 0) + group.leads
    sources = {group.source for group in groups if group.source}
    return json_response({
        "leads": leads,
        "pagination": {
            "page": page, "limit": limit, "total": total, "totalPages": -(-total // limit),
        },
        "filters": {"sources": sorted(sources, key=str.casefold), "statuses": sorted(summary)},
        "statusSummary": summary,
    })  # fmt: skip


@router.post(
    "", status_code=201, summary="Create a lead", response_model=LeadResponse,
    responses=error_responses(NO_CONTACT, CONTACT, STAFF, NOT_FOUND),
    dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def create_lead(
    request: Request,
    caller: ConsoleWriter,
    parsed: Annotated[ParsedBody[LeadRequest], Depends(BodyParser(LeadRequest))],
) -> Response:
    body = parsed.body
    if not (body.email or body.phone or body.first_name or body.last_name):
        raise Problem(
            400, "no_contact",
            "name, e-mail address and phone number are all missing: send at least one",
        )  # fmt: skip
    await require_property(context_of(request), caller, body.property_id)
    lead_id = uuid7()

    async def work(uow: UnitOfWork) -> ResponseBody:
        host_property = await load_property(uow.conn, body.property_id)
        details = body.details(body.source, body.bedrooms, host_property)
        owner = (await find_contact_owners(uow, details.email, None)).email
        if owner is not None:
            known_lead = await build_surviving_lead_row(uow, owner)
            raise Refused(
                "known_lead",
                f"lead {owner} already has the e-mail address {details.email}: change that lead",
                409,
                {"lead": orjson.loads(encode_json(known_lead))},
            )
        await uow.execute(CaptureLead(lead_id, details, captured_by=caller.id))
        if body.assigned_agent_id is not None:
            await uow.execute(AssignLead(lead_id, body.assigned_agent_id, caller.id))
        return {"lead": await build_surviving_lead_row(uow, lead_id)}

    return await execute_write(request, caller, body.property_id, parsed.raw, work, 201)


@router.patch(
    "", summary="Change a lead", response_model=LeadResponse,
    responses={
        **error_responses(CONTACT, LEAD_ZONE, LEASED, STAFF, SUBJECT),
        202: {"model": WaitingLeadResponse},
    },
    dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def update_lead(
    request: Request,
    caller: ConsoleWriter,
    parsed: Annotated[ParsedBody[LeadChangeRequest], Depends(BodyParser(LeadChangeRequest))],
) -> Response:
    body = parsed.body
    property_id = await property_of_lead(context_of(request), caller, body.lead_id)

    async def work(uow: UnitOfWork) -> ResponseBody:
        host_property = await load_property(uow.conn, property_id)
        changes = body.changes(host_property)
        owner = (await find_contact_owners(uow, changes.get("email"), None)).email
        await uow.execute(UpdateLead(body.lead_id, changes, caller.id, owner))
        if "assigned_agent_id" in body.model_fields_set:
            await uow.execute(AssignLead(body.lead_id, body.assigned_agent_id, caller.id))
        if "time_zone" in body.model_fields_set:
            await uow.execute(SetLeadZone(body.lead_id, body.time_zone, caller.id))
        if body.status is not None:
            await uow.execute(ChangeStatus(body.lead_id, body.status, changed_by=caller.id))
        return {"lead": await build_surviving_lead_row(uow, body.lead_id)}

    return await execute_write(
        request, caller, property_id, parsed.raw, work, row_ids=[body.lead_id]
    )


def _matches(group: Any, lead_filter: LeadFilter) -> bool:
    """Return whether leads with the group's status and source match the filters."""
    return (lead_filter.status is None or group.status == lead_filter.status.value) and (
        lead_filter.source is None or group.source == lead_filter.source
    )
