"""Route of the days on which a property offers no tours."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from services.api.auth.console_authentication import ConsoleAdminWriter
from services.api.context import context_of
from services.api.error_codes import CLOSED_DAYS, NOT_FOUND, error_responses
from services.api.idempotency import CHECK_IDEMPOTENCY_KEY
from services.api.property_lookup import require_property
from services.api.request_body import BodyParser, ParsedBody
from services.api.responses import ResponseBody, execute_write
from services.api.schemas.closed_days import ClosedDaysRequest, ClosedDaysResponse
from services.application.unit_of_work import UnitOfWork
from services.deciders import widgets
from services.deciders.widgets import SETTING_OF_KIND, ChangeClosedDays

router = APIRouter(prefix="/api/lumaleasing/admin", tags=["administration"])


@router.patch(
    "/closed-days", summary="Add and remove days without tours", response_model=ClosedDaysResponse,
    responses=error_responses(CLOSED_DAYS, NOT_FOUND), dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def change_closed_days(
    request: Request,
    caller: ConsoleAdminWriter,
    parsed: Annotated[ParsedBody[ClosedDaysRequest], Depends(BodyParser(ClosedDaysRequest))],
) -> Response:
    """Change single days. Two users who do so at the same moment lose no change.

    Booked tours stay. Adding a day that is there, or removing one that is not, changes nothing.
    """
    body = parsed.body
    await require_property(context_of(request), caller, body.property_id)
    command = ChangeClosedDays(
        body.property_id, body.kind, frozenset(body.add), frozenset(body.remove), caller.id
    )

    async def work(uow: UnitOfWork) -> ResponseBody:
        await uow.execute(command)
        widget = await uow.load(widgets.decider, body.property_id)
        days = widget.settings.get(SETTING_OF_KIND[body.kind]) or ()
        return {"kind": body.kind, "days": [day.isoformat() for day in days]}

    return await execute_write(request, caller, body.property_id, parsed.raw, work)
