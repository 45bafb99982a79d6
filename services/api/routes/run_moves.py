"""Route that moves the runs of a workflow definition to another version."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from services.api.auth.console_authentication import ConsoleWriter
from services.api.context import context_of
from services.api.definitions import property_of_definition
from services.api.error_codes import SUBJECT, UNKNOWN_VERSION, error_responses
from services.api.idempotency import CHECK_IDEMPOTENCY_KEY
from services.api.request_body import BodyParser, ParsedBody
from services.api.responses import ResponseBody, execute_write
from services.api.schemas.run_moves import RunMoveRequest, RunMoveResponse
from services.api.schemas.workflows import DefinitionId
from services.application.run_moves import MAX_RUNS, MoveRequest, move_runs, preview_move
from services.application.unit_of_work import UnitOfWork

router = APIRouter(prefix="/api/workflows/definitions/{definition_id}/move", tags=["workflows"])


@router.post(
    "", summary="Move runs to another version of their workflow", response_model=RunMoveResponse,
    responses=error_responses(SUBJECT, UNKNOWN_VERSION), dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def move_runs_of_definition(
    request: Request,
    caller: ConsoleWriter,
    definition_id: DefinitionId,
    parsed: Annotated[ParsedBody[RunMoveRequest], Depends(BodyParser(RunMoveRequest))],
) -> Response:
    body = parsed.body
    property_id = await property_of_definition(context_of(request), caller, definition_id)
    move = MoveRequest(
        definition_id, body.to_version, body.from_version, body.steps, body.reason or None,
        caller.id,
    )  # fmt: skip

    async def work(uow: UnitOfWork) -> ResponseBody:
        counts = await (preview_move if body.dry_run else move_runs)(uow, move)
        steps = [
            {"fromVersion": count.from_version, "fromStep": count.from_step,
             "toStep": count.to_step, "runs": count.runs}
            for count in counts
        ]  # fmt: skip
        is_complete = body.dry_run or sum(count.runs for count in counts) < MAX_RUNS
        return {"success": True, "steps": steps, "isComplete": is_complete}

    return await execute_write(request, caller, property_id, parsed.raw, work)
