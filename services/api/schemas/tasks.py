"""Requests and responses of tasks."""

from typing import Annotated, ClassVar, Literal, TypeAlias
from uuid import UUID

from fastapi import Path
from pydantic import Field

from events.fields import Line, Text
from services.api.schemas import example
from services.api.schemas.schema import (
    ChangeModel,
    Examples,
    Instant,
    OptionalId,
    RequestModel,
    ResponseModel,
    ResponseRow,
)

TaskId: TypeAlias = Annotated[UUID, Path(examples=[example.TASK])]
TaskStatus = Literal["open", "due", "done"]


class TaskRequest(RequestModel):
    """A task for an agent; without `assignedAgentId` nobody has it yet."""

    examples: ClassVar[Examples] = {
        "a call": {"title": "Call back", "dueAt": "2036-05-14T15:00:00Z", "notes": "In the evening"}
    }

    title: Annotated[Line, Field(min_length=1)]
    notes: Text | None = None
    due_at: Instant | None = None
    assigned_agent_id: OptionalId = None


class TaskChangeRequest(ChangeModel):
    """A change of a task: `done` ends it, `assignedAgentId` gives it to an agent or to nobody."""

    examples: ClassVar[Examples] = {
        "back to nobody": {"assignedAgentId": None},
        "done": {"done": True, "result": "She comes on Saturday."},
    }
    addressing: ClassVar[frozenset[str]] = frozenset({"result", "reason"})

    done: Literal[True] | None = None
    result: Text | None = None
    assigned_agent_id: OptionalId = None
    reason: Text | None = None


class TaskRow(ResponseRow):
    """A task as it is in its table."""

    id: UUID
    org_id: UUID
    property_id: UUID
    lead_id: UUID
    title: str
    notes: str | None
    status: TaskStatus
    due_at: Instant | None
    assigned_agent_id: UUID | None
    run_id: UUID | None
    step_number: int | None
    result: str | None
    created_by: UUID | None
    done_by: UUID | None
    done_at: Instant | None
    created_at: Instant
    updated_at: Instant


_TASK = {
    "id": example.TASK,
    "org_id": example.ORGANIZATION,
    "property_id": example.PROPERTY,
    "lead_id": example.LEAD,
    "title": "Call back",
    "notes": "In the evening",
    "status": "open",
    "due_at": example.AT,
    "assigned_agent_id": None,
    "run_id": None,
    "step_number": None,
    "result": None,
    "created_by": example.PERSON,
    "done_by": None,
    "done_at": None,
    "created_at": example.AT,
    "updated_at": example.AT,
}


class TaskListResponse(ResponseModel):
    """Tasks: those that are not done first, by their due time."""

    examples: ClassVar[Examples] = {"one": {"tasks": [_TASK]}}

    tasks: list[TaskRow]


class TaskResponse(ResponseModel):
    """A task; in the response of a write, as it is after the change."""

    examples: ClassVar[Examples] = {"a call": {"task": _TASK}}

    task: TaskRow
