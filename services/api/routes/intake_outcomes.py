"""Route with which a producer asks what became of its records."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from services.api.auth.console_authentication import ConsoleReader
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.error_codes import NOT_FOUND, error_responses
from services.api.property_lookup import require_property
from services.api.responses import json_response
from services.api.schemas import example
from services.api.schemas.intake_outcomes import IntakeOutcomeListResponse
from services.application.intake_outcomes import OutcomeFilter, find_outcomes

MAX_TEXT = 300
Text = Annotated[str | None, Query(max_length=MAX_TEXT, pattern=r"^[^\x00]*$")]

router = APIRouter(prefix="/api/intake/outcomes", tags=["intake"])


@router.get(
    "", summary="List the outcomes of records that producers sent",
    response_model=IntakeOutcomeListResponse, responses=error_responses(NOT_FOUND),
    dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def list_intake_outcomes(
    request: Request,
    caller: ConsoleReader,
    property_id: Annotated[UUID, Query(alias="propertyId", examples=[example.PROPERTY])],
    source: Text = None,
    record_id: Annotated[
        str | None, Query(alias="id", max_length=MAX_TEXT, pattern=r"^[^\x00]*$")
    ] = None,
    status: Literal["accepted", "refused", "waiting"] | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """Return outcomes of a property's records, newest first: ids and codes, no personal data.

    `source` and `id` are the attributes of the CloudEvent. A record that was sent twice has an
    outcome for each time.
    """
    context = context_of(request)
    await require_property(context, caller, property_id)
    chosen = OutcomeFilter(caller.org_id, property_id, source, record_id, status)
    return json_response({"outcomes": await find_outcomes(context.pool, chosen, limit)})
