"""Route with which an agent sends a template to itself, to see what a lead would get."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from events.record import Stream
from projections import leads
from services.api.auth.console_authentication import ConsoleWriter
from services.api.auth.row_security import read_as
from services.api.context import context_of
from services.api.error_codes import SUBJECT, TEMPLATE_TEST, error_responses
from services.api.idempotency import CHECK_IDEMPOTENCY_KEY
from services.api.problems import Problem
from services.api.property_lookup import property_of_stream
from services.api.request_body import BodyParser, ParsedBody
from services.api.responses import ResponseBody, execute_write
from services.api.schemas.template_tests import TemplateTestRequest, TemplateTestResponse
from services.api.schemas.templates import TemplateId
from services.application.template_tests import make_tester, plan_template_test
from services.application.unit_of_work import UnitOfWork

router = APIRouter(prefix="/api/workflows/templates", tags=["workflows"])


@router.post(
    "/{template_id}/test", status_code=201, summary="Send a template to yourself",
    response_model=TemplateTestResponse, responses=error_responses(SUBJECT, TEMPLATE_TEST),
    dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def send_template_test(
    request: Request,
    caller: ConsoleWriter,
    template_id: TemplateId,
    parsed: Annotated[ParsedBody[TemplateTestRequest], Depends(BodyParser(TemplateTestRequest))],
) -> Response:
    """Send the template, active or not, to the address of the caller's account.

    The e-mail address or the phone number is the one in the bearer token. The values are those of
    the lead, by default of the newest one of the property; samples replace what it lacks. The lead
    gets nothing, and none of its limits or activities change.
    """
    context = context_of(request)
    stream = Stream("template", template_id)
    property_id = await property_of_stream(context, caller, stream, "template")
    lead_id = parsed.body.lead_id
    if lead_id is None:
        async with read_as(context.pool, caller.claims) as conn:
            lead_id = await conn.scalar(leads.newest_of(property_id))
    if lead_id is None:
        raise Problem(
            409, "no_lead", "the property has no lead whose values fill the template: create one"
        )
    chosen: UUID = lead_id
    delivery_id, tester = uuid7(), make_tester(caller.id, caller.email, caller.phone)

    async def work(uow: UnitOfWork) -> ResponseBody:
        channel = await plan_template_test(uow, template_id, chosen, delivery_id, tester)
        return {
            "success": True, "messageId": delivery_id, "channel": channel.value,
            "recipient": tester.address(channel), "status": "planned",
        }  # fmt: skip

    return await execute_write(request, caller, property_id, parsed.raw, work, 201)
