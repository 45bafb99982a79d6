"""Route of one workflow definition with all its versions."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from events.log import read
from events.record import RecordedEvent, Stream
from events.workflows import WorkflowActivated, WorkflowDeactivated, WorkflowDefined
from projections import workflows
from projections.workflows import build_step_row
from services.api.auth.console_authentication import ConsoleReader
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.definitions import property_of_definition
from services.api.error_codes import NOT_FOUND, error_responses
from services.api.responses import json_response
from services.api.schemas.workflow_versions import WorkflowVersionsResponse
from services.api.schemas.workflows import DefinitionId
from services.application.rows import build_row

MAX_VERSIONS = 100

router = APIRouter(prefix="/api/workflows/definitions/{definition_id}", tags=["workflows"])


@router.get(
    "", summary="Get a workflow definition with its versions",
    response_model=WorkflowVersionsResponse, responses=error_responses(NOT_FOUND),
    dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def get_definition(
    request: Request, caller: ConsoleReader, definition_id: DefinitionId
) -> Response:
    """Return the definition as the log has it: a run keeps the version with which it began."""
    context = context_of(request)
    await property_of_definition(context, caller, definition_id)
    history = await _read_history(context.pool, definition_id)
    versions = [_describe_version(one) for one in history if isinstance(one.event, WorkflowDefined)]
    switches = [
        _describe_switch(one)
        for one in history
        if isinstance(one.event, WorkflowActivated | WorkflowDeactivated)
    ]
    return json_response({
        "definition": build_row(workflows.projection, definition_id, history),
        "versions": versions[::-1][:MAX_VERSIONS], "switches": switches[::-1][:MAX_VERSIONS],
    })  # fmt: skip


async def _read_history(pool: Any, definition_id: UUID) -> list[RecordedEvent]:
    async with pool.acquire() as conn:
        return await read.streams(conn, [Stream("definition", definition_id)])


def _describe_version(recorded: RecordedEvent) -> dict[str, Any]:
    event = recorded.event
    assert isinstance(event, WorkflowDefined)  # noqa: S101 — the caller's choice
    return {
        "version": event.definition_version, "name": event.display_name,
        "description": event.description, "trigger_on": event.trigger_on,
        "steps": [build_step_row(step) for step in event.steps],
        "exit_conditions": list(event.exit_conditions),
        "exit_events": list(event.exit_events or ()), "reentry": event.reentry,
        "min_interval_hours": event.min_interval_hours, "max_age_hours": event.max_age_hours,
        "changed_at": recorded.occurred_at, "changed_by": event.changed_by,
        "change_reason": event.change_reason,
    }  # fmt: skip


def _describe_switch(recorded: RecordedEvent) -> dict[str, Any]:
    event = recorded.event
    is_active = isinstance(event, WorkflowActivated)
    return {
        "at": recorded.occurred_at, "is_active": is_active,
        "switched_by": getattr(event, "activated_by" if is_active else "deactivated_by"),
        "reason": getattr(event, "reason", None),
    }  # fmt: skip
