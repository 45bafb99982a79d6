"""Reads of workflow definitions that several routes share."""

from uuid import UUID

from events.record import Stream
from projections import workflows
from services.api.auth.console_users import ConsoleUser
from services.api.context import ApiContext
from services.api.property_lookup import property_of_stream
from services.api.responses import ResponseBody
from services.application.rows import build_row
from services.application.unit_of_work import UnitOfWork
from services.deciders import workflows as workflow_decisions
from services.deciders.decider import UnknownSubject
from services.deciders.workflows import WorkflowContent

ENTITY_TYPE = "definition"


async def property_of_definition(
    context: ApiContext, caller: ConsoleUser, definition_id: UUID
) -> UUID:
    """Return the property of a definition of the caller's organisation. Raise 404."""
    stream = Stream(ENTITY_TYPE, definition_id)
    return await property_of_stream(context, caller, stream, "workflow")


async def load_content(uow: UnitOfWork, definition_id: UUID) -> WorkflowContent:
    """Return the content of the newest version. Raise `UnknownSubject` if there is none."""
    state = await uow.load(workflow_decisions.decider, definition_id)
    if state.content is None:
        raise UnknownSubject(Stream(ENTITY_TYPE, definition_id))
    return state.content


async def build_definition_response(uow: UnitOfWork, definition_id: UUID) -> ResponseBody:
    """Return the definition's row as it is after the decisions of the unit of work."""
    recorded_events = await uow.history(Stream(ENTITY_TYPE, definition_id))
    return {"definition": build_row(workflows.projection, definition_id, recorded_events)}
