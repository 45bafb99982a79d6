"""The console's list of leads, and what an agent changes of one."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BeforeValidator
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from events.fields import Line
from events.leads import LeadStatus
from projections import host, lead_list, scores
from projections.lead_list import SortBy, Wanted
from projections.scoring import v1
from projections.scoring.inputs import micros
from services.api.auth.callers import Reader, Writer, no_such
from services.api.context import core_of
from services.api.error_codes import CONTACT, LEASED, NOT_FOUND, OF_LEAD, refuses
from services.api.request_body import Taken, Takes
from services.api.responses import Answer, Once, Reached, answered, written
from services.api.routes.leads import lead_row
from services.api.schemas import example
from services.api.schemas.lead_list import LeadChangeSent, LeadList
from services.api.schemas.leads import LeadEntered
from services.api.schemas.schema import empty_is_none
from services.application.unit_of_work import UnitOfWork
from services.deciders.leads import ChangeStatus, UpdateLead
from services.host import load_property

PAGE, MOST, LAST_PAGE = 25, 200, 1_000_000

router = APIRouter(prefix="/api/leads", tags=["leads"])

_Blank = BeforeValidator(empty_is_none)


@router.get(
    "", summary="Leads of a property", response_model=LeadList, responses=refuses(NOT_FOUND),
    dependencies=[Reached],
)  # fmt: skip
async def listed(
    request: Request,
    caller: Reader,
    property_id: Annotated[UUID, Query(alias="propertyId", examples=[example.PROPERTY])],
    status: Annotated[LeadStatus | None, _Blank, Query()] = None,
    source: Annotated[Line | None, _Blank, Query()] = None,
    search: Annotated[
        Line | None, _Blank, Query(description="Part of a name, an e-mail address, a number.")
    ] = None,
    sort_by: Annotated[SortBy, Query(alias="sortBy")] = "created_at",
    sort_order: Annotated[Literal["asc", "desc"], Query(alias="sortOrder")] = "desc",
    page: Annotated[int, Query(ge=1, le=LAST_PAGE)] = 1,
    limit: Annotated[int, Query(ge=1, le=MOST)] = PAGE,
) -> Response:
    """Each row has its score as of now; by score, rows come as it is stored, which timers keep
    current. Filters and summary are of all leads of the property."""
    wanted = Wanted(property_id, status, source, search.strip() if search else None)
    async with caller.transaction(core_of(request).engine) as conn:
        if await conn.scalar(host.org_of_property(property_id)) != caller.org_id:
            raise no_such("property")
        standing = (await conn.execute(lead_list.standing(property_id))).all()
        query = lead_list.page(
            wanted, sort_by, descending=sort_order == "desc", offset=(page - 1) * limit, limit=limit
        )
        rows = [dict(row) for row in (await conn.execute(query)).mappings()]
        if search:
            total = await conn.scalar(lead_list.count(wanted)) or 0
        else:
            total = sum(one.leads for one in standing if _is_wanted(one, wanted))
        leads = await _scored(conn, property_id, rows)
    summary: dict[str, int] = {}
    for one in standing:
        if one.status is not None:
            summary[one.status] = summary.get(one.status, 0) + one.leads
    sources = {one.source for one in standing if one.source}
    return answered({
        "leads": leads,
        "pagination": {
            "page": page, "limit": limit, "total": total, "totalPages": -(-total // limit),
        },
        "filters": {"sources": sorted(sources, key=str.casefold), "statuses": sorted(summary)},
        "statusSummary": summary,
    })  # fmt: skip


@router.patch(
    "", summary="Change a lead", response_model=LeadEntered,
    responses=refuses(CONTACT, LEASED, OF_LEAD), dependencies=[Once],
)  # fmt: skip
async def change(
    request: Request,
    caller: Writer,
    sent: Annotated[Taken[LeadChangeSent], Depends(Takes(LeadChangeSent))],
) -> Response:
    body = sent.said
    property_id = await caller.property_of_lead(core_of(request), body.lead_id)

    async def work(uow: UnitOfWork) -> Answer:
        host_property = await load_property(uow.conn, property_id)
        changes = body.changes(host_property.country)
        owner = (await uow.owner_of_contact(changes.get("email"), None)).email
        await uow.do(UpdateLead(body.lead_id, changes, caller.id, owner))
        if body.status is not None:
            await uow.do(ChangeStatus(body.lead_id, body.status, changed_by=caller.id))
        return {"lead": await lead_row(uow, body.lead_id)}

    return await written(request, caller, caller.scope(property_id), sent.raw, work)


def _is_wanted(one: Any, wanted: Wanted) -> bool:
    """Does a status and source that leads have match?"""
    return (wanted.status is None or one.status == wanted.status.value) and (
        wanted.source is None or one.source == wanted.source
    )


async def _scored(
    conn: AsyncConnection, property_id: UUID, rows: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The rows, each with its score as of now."""
    if not rows:
        return []
    now = micros(datetime.now(UTC))
    query = scores.inputs_below(property_id, [row["id"] for row in rows])
    inputs = scores.whole_inputs((await conn.execute(query)).all())
    found = []
    for row in rows:
        held = inputs.get(row["id"])
        score = None if held is None else v1.score(held, now)
        found.append({
            **row, "score": score.total if score else None,
            "score_bucket": score.bucket if score else None,
        })  # fmt: skip
    return found
