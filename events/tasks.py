"""Tasks: what an agent has to do for a lead, from a workflow step or from a person."""

from collections.abc import Mapping
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from events.event import Event, Foreign, Personal
from events.fields import Count, Instant, Line, Text


class _TaskEvent(Event):
    """An event of a task, with its lead."""

    stream: ClassVar[str] = "task"
    entity: ClassVar[str] = "task_id"
    requires: ClassVar[Mapping[str, str]] = {"task_id": "task", "lead_id": "lead"}

    task_id: UUID
    lead_id: UUID


class TaskCreated(_TaskEvent):
    """A task for an agent was created."""

    name: ClassVar[str] = "task.created"
    begins: ClassVar[bool] = True
    requires: ClassVar[Mapping[str, str]] = {"lead_id": "lead", "run_id": "run"}

    title: Annotated[Line, Personal("lead_id")]
    notes: Annotated[Text | None, Personal("lead_id")] = None
    due_at: Instant | None = None
    assigned_agent_id: Annotated[
        Foreign | None, Field(description="Agent who has to do it. Null: nobody yet.")
    ] = None
    run_id: Annotated[UUID | None, Field(description="Run whose step created the task.")] = None
    step_number: Count | None = None
    created_by: Foreign | None = None


class TaskAssigned(_TaskEvent):
    """An agent was made responsible for the task; null if nobody is."""

    name: ClassVar[str] = "task.assigned"

    assigned_agent_id: Foreign | None
    assigned_by: Foreign | None = None
    reason: Annotated[Text | None, Personal("lead_id")] = None


class TaskDue(_TaskEvent):
    """The due time of the task has passed, and it is not done."""

    name: ClassVar[str] = "task.due"

    due_at: Instant


class TaskDone(_TaskEvent):
    """The task was done."""

    name: ClassVar[str] = "task.done"

    result: Annotated[Text | None, Personal("lead_id")] = None
    done_by: Foreign | None = None
