"""Routes of data protection for admins: restrict, correct and export a person's data."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from events.privacy import ExportFormat
from services.api.auth.console_authentication import ConsoleAdmin
from services.api.auth.row_security import assume_role, read_as
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.error_codes import CONTACT, NOT_FOUND, SUBJECT, error_responses
from services.api.idempotency import CHECK_IDEMPOTENCY_KEY
from services.api.lead_rows import build_own_lead_row
from services.api.property_lookup import load_surviving_lead, property_of_lead
from services.api.request_body import BodyParser, ParsedBody
from services.api.responses import ResponseBody, execute_write
from services.api.schemas.privacy import (
    PersonExport,
    RectificationRequest,
    RestrictionRequest,
    RestrictionResponse,
)
from services.api.schemas.schema import LeadId
from services.application.command_handler import transact
from services.application.privacy import rectify
from services.application.restrictions import lift_restriction, restrict
from services.application.unit_of_work import UnitOfWork
from services.deciders.privacy import RecordExport
from services.host import load_property
from services.privacy.documents import DOCUMENTS, read_log
from services.privacy.person_export import find_person, snapshot_engine

_PAGE: dict[str, Any] = {
    "text/html": {
        "schema": {"type": "string"},
        "examples": {"a-page": {"value": "<!doctype html>"}},
    }
}

router = APIRouter(prefix="/api/privacy/leads/{lead_id}", tags=["privacy"])


@router.post(
    "/restrict", summary="Restrict the use of a person's data",
    response_model=RestrictionResponse, responses=error_responses(SUBJECT),
    dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def restrict_person(
    request: Request,
    caller: ConsoleAdmin,
    lead_id: LeadId,
    parsed: Annotated[ParsedBody[RestrictionRequest], Depends(BodyParser(RestrictionRequest))],
) -> Response:
    """Stop to score the person, to enrol it in workflows and to send it messages.

    It stays visible, with a mark. Its runs are stopped. Repeating the request changes nothing.
    """
    property_id = await property_of_lead(context_of(request), caller, lead_id)

    async def work(uow: UnitOfWork) -> ResponseBody:
        survivor = await restrict(uow, lead_id, reason=parsed.body.reason, by=caller.id)
        return {"lead": await build_own_lead_row(uow, survivor)}

    return await execute_write(request, caller, property_id, parsed.raw, work)


@router.post(
    "/unrestrict", summary="Allow the use of a person's data again",
    response_model=RestrictionResponse, responses=error_responses(SUBJECT),
    dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def unrestrict_person(
    request: Request,
    caller: ConsoleAdmin,
    lead_id: LeadId,
    parsed: Annotated[ParsedBody[RestrictionRequest], Depends(BodyParser(RestrictionRequest))],
) -> Response:
    """Score the person again, now with everything that occurred meanwhile.

    Stopped runs stay stopped, and messages that were not sent are not sent later.
    """
    property_id = await property_of_lead(context_of(request), caller, lead_id)

    async def work(uow: UnitOfWork) -> ResponseBody:
        survivor = await lift_restriction(uow, lead_id, reason=parsed.body.reason, by=caller.id)
        return {"lead": await build_own_lead_row(uow, survivor)}

    return await execute_write(request, caller, property_id, parsed.raw, work)


@router.post(
    "/rectify", summary="Correct wrong details of a person", response_model=RestrictionResponse,
    responses=error_responses(SUBJECT, CONTACT), dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def rectify_person(
    request: Request,
    caller: ConsoleAdmin,
    lead_id: LeadId,
    parsed: Annotated[ParsedBody[RectificationRequest], Depends(BodyParser(RectificationRequest))],
) -> Response:
    """Set the right values, and record the request with its reason.

    The wrong values stay in old events, as history.
    """
    property_id = await property_of_lead(context_of(request), caller, lead_id)

    async def work(uow: UnitOfWork) -> ResponseBody:
        changes = parsed.body.changes(await load_property(uow.conn, property_id))
        reason = parsed.body.reason
        survivor = await rectify(uow, lead_id, changes, reason=reason, by=caller.id)
        return {"lead": await build_own_lead_row(uow, survivor)}

    return await execute_write(request, caller, property_id, parsed.raw, work)


@router.get(
    "/export", summary="Export all data of a person", response_model=PersonExport,
    responses={**error_responses(NOT_FOUND), 200: {"content": _PAGE}},
    dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def export_person(
    request: Request,
    caller: ConsoleAdmin,
    lead_id: LeadId,
    export_format: Annotated[ExportFormat, Query(alias="format")] = ExportFormat.JSON,
) -> Response:
    """Return a file with all data of the person, with all merged leads, and record the export.

    The rows are read from one snapshot while the file is sent. A file without its end is not
    complete: the connection was lost.
    """
    context = context_of(request)
    property_id = await property_of_lead(context, caller, lead_id)
    now = context.clock.now()
    engine, document = snapshot_engine(context.engine), DOCUMENTS[export_format]
    async with read_as(context.pool, caller.claims) as reader:
        lead = await load_surviving_lead(reader, caller, lead_id)

    async def record(uow: UnitOfWork) -> None:
        await uow.execute(RecordExport(lead_id, export_format, exported_by=caller.id))

    await transact(context.pool, caller.scope(property_id, now), record)

    async def read() -> AsyncIterator[bytes]:
        async with engine.begin() as conn, read_log(context.pool) as log:
            await conn.exec_driver_sql(assume_role(caller.claims))
            person = await find_person(conn, caller.org_id, lead["id"])
            if person is not None:
                async for part in document.write(conn, log, person, now):
                    yield part

    return StreamingResponse(read(), media_type=document.media_type, headers={
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="person-{lead["id"]}.{export_format}"',
    })  # fmt: skip
