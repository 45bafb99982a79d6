"""The entry of a run or a task in the activity log of its lead."""

from typing import Any, NamedTuple, assert_never
from uuid import UUID

from events.activities import ActivityType
from events.runs import (
    RunCompleted,
    RunConverted,
    RunEnrolled,
    RunMoved,
    RunPaused,
    RunResumed,
    RunStopped,
)
from events.tasks import TaskAssigned, TaskCreated, TaskDone, TaskDue

RunChange = (
    RunEnrolled | RunPaused | RunResumed | RunMoved | RunStopped | RunConverted | RunCompleted
)
TaskChange = TaskCreated | TaskAssigned | TaskDue | TaskDone


class ActivityLine(NamedTuple):
    """The kind, the text and the author of an entry, and what it refers to."""

    kind: ActivityType
    description: str
    author: UUID | None
    metadata: dict[str, Any]


def run_line(event: RunChange) -> ActivityLine:
    kind, description, author = _run_text(event)
    metadata: dict[str, Any] = {"run_id": str(event.run_id)}
    if isinstance(event, RunEnrolled):
        metadata["workflow_id"] = str(event.definition_id)
    if isinstance(event, RunStopped) and event.code is not None:
        metadata["code"] = event.code
    return ActivityLine(kind, description, author, metadata)


def _run_text(event: RunChange) -> tuple[ActivityType, str, UUID | None]:
    match event:
        case RunEnrolled():
            text = f"Workflow started: {event.trigger}"
            return ActivityType.WORKFLOW_STARTED, text, event.enrolled_by
        case RunPaused():
            text = _with_reason("Workflow paused", event.reason)
            return ActivityType.WORKFLOW_PAUSED, text, event.paused_by
        case RunResumed():
            return ActivityType.WORKFLOW_RESUMED, "Workflow resumed", event.resumed_by
        case RunMoved():
            text = f"Workflow moved to step {event.step_number + 1} of version "
            text = _with_reason(f"{text}{event.definition_version}", event.reason)
            return ActivityType.WORKFLOW_MOVED, text, event.moved_by
        case RunStopped():
            text = _with_reason("Workflow stopped", event.reason)
            return ActivityType.WORKFLOW_STOPPED, text, event.stopped_by
        case RunConverted():
            text = f"Workflow ended: the lead is {event.status.value}"
            return ActivityType.WORKFLOW_STOPPED, text, None
        case RunCompleted():
            return ActivityType.WORKFLOW_COMPLETED, "Workflow completed", None
        case _:
            assert_never(event)


def task_line(event: TaskChange) -> ActivityLine:
    metadata = {"task_id": str(event.task_id)}
    match event:
        case TaskCreated():
            text = f"Task: {event.title}"
            return ActivityLine(ActivityType.TASK_CREATED, text, event.created_by, metadata)
        case TaskAssigned():
            agent_id = event.assigned_agent_id
            text = "Task taken from its agent" if agent_id is None else "Task assigned"
            metadata |= {} if agent_id is None else {"assigned_agent_id": str(agent_id)}
            return ActivityLine(ActivityType.TASK_ASSIGNED, text, event.assigned_by, metadata)
        case TaskDue():
            return ActivityLine(ActivityType.TASK_DUE, "Task is due", None, metadata)
        case TaskDone():
            text = _with_reason("Task done", event.result)
            return ActivityLine(ActivityType.TASK_DONE, text, event.done_by, metadata)
        case _:
            assert_never(event)


def _with_reason(text: str, reason: str | None) -> str:
    return text if not reason else f"{text}: {reason}"
