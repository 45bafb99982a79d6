"""Routes of erasures for admins: erase a person, and show how far that is."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from services.api.auth.console_authentication import ConsoleAdmin
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.error_codes import NOT_ERASED, SUBJECT, error_responses
from services.api.idempotency import CHECK_IDEMPOTENCY_KEY
from services.api.property_lookup import property_of_lead
from services.api.request_body import BodyParser, ParsedBody
from services.api.responses import ResponseBody, execute_write, json_response
from services.api.schemas.erasures import (
    ErasureAccepted,
    ErasureCertificate,
    ErasureRequest,
    ErasureResponse,
)
from services.api.schemas.schema import LeadId
from services.application.erasures import erase, find_erasable
from services.application.merged_leads import list_members
from services.application.unit_of_work import UnitOfWork
from services.deciders.decider import Refused
from services.privacy.certificate import NotErased, issue_certificate
from services.privacy.erasures import ErasureState, list_erasures
from services.privacy.personal_tables import count_rows

router = APIRouter(prefix="/api/privacy/leads/{lead_id}", tags=["privacy"])


@router.post(
    "/erasure", summary="Erase a person for good", status_code=202,
    response_model=ErasureAccepted, responses=error_responses(SUBJECT),
    dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def erase_person(
    request: Request,
    caller: ConsoleAdmin,
    lead_id: LeadId,
    parsed: Annotated[ParsedBody[ErasureRequest], Depends(BodyParser(ErasureRequest))],
) -> Response:
    """Forget the person: all its leads, sessions, conversations and messages.

    The erasure is in the log with the response. When all tables contain it, copies outside of the
    log are erased and the keys are destroyed: see `GET` of the same path.
    """
    context = context_of(request)
    property_id = await property_of_lead(context, caller, lead_id)
    context.table_fit.forget()

    async def work(uow: UnitOfWork) -> ResponseBody:
        person = await erase(uow, lead_id, reason=parsed.body.reason, by=caller.id)
        return {"leadIds": [lead.id for lead in person], "state": ErasureState.APPENDED}

    return await execute_write(request, caller, property_id, parsed.raw, work, 202)


@router.get(
    "/erasure", summary="Show what an erasure erases, or how far it is",
    response_model=ErasureResponse, responses=error_responses(SUBJECT),
    dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def show_erasure(request: Request, caller: ConsoleAdmin, lead_id: LeadId) -> Response:
    """Return the erasures of the person, and its rows in every table with personal data."""
    context = context_of(request)
    property_id = await property_of_lead(context, caller, lead_id)
    async with context.pool.acquire() as conn:
        scope = caller.scope(property_id, context.clock.now())
        uow = UnitOfWork(conn, scope, None)  # type: ignore[arg-type]
        person = await find_erasable(uow, lead_id)
        erasures = await list_erasures(conn, lead_ids=[lead.id for lead in person])
        subjects = frozenset[UUID]().union(*(lead.subjects for lead in person))
        tables = await count_rows(conn, subjects)
    return json_response({
        "erasures": [
            {
                "leadId": erasure.lead_id, "state": erasure.state, "erasedAt": erasure.erased_at,
                "subjects": len(erasure.subjects), "keysLeft": len(erasure.open_subjects),
            }
            for erasure in erasures
        ],
        "tables": [
            {"table": table.table, "rows": table.rows, "readable": table.readable}
            for table in tables
        ],
    })  # fmt: skip


@router.get(
    "/certificate", summary="Certify the erasure of a person",
    response_model=ErasureCertificate, responses=error_responses(SUBJECT, NOT_ERASED),
    dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def certify_erasure(request: Request, caller: ConsoleAdmin, lead_id: LeadId) -> Response:
    """Look at every place with personal data and return a signed document.

    409 until the erasure is complete.
    """
    context = context_of(request)
    property_id = await property_of_lead(context, caller, lead_id)
    now = context.clock.now()
    async with context.pool.acquire() as conn, conn.transaction():
        uow = UnitOfWork(conn, caller.scope(property_id, now), None)  # type: ignore[arg-type]
        members = await list_members(uow, await uow.surviving_lead(lead_id))
        try:
            document = await issue_certificate(conn, members, now)
        except NotErased as error:
            raise Refused("not_erased", str(error), 409) from None
    return json_response(document)
