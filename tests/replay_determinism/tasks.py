"""Steps of tasks."""

from typing import Any
from uuid import uuid4

from events.event import Event
from events.tasks import TaskAssigned, TaskCreated, TaskDone, TaskDue
from tests.replay_determinism.property import HistoryStep, PropertyModel

TASK_EVENTS = (TaskCreated, TaskAssigned, TaskDue, TaskDone)


def write_task(model: PropertyModel, step: HistoryStep) -> list[Event]:
    """Create a task, of a run or by hand, or return a possible next event of a task."""
    by, lead_id = model.agent(step.variant), model.lead(step.target)
    if step.variant % 3 == 0 or not model.tasks:
        if lead_id is None:
            return []
        task_id, run = uuid4(), model.runs[0] if model.runs else None
        model.tasks[task_id] = lead_id
        return [TaskCreated(
            task_id=task_id, lead_id=lead_id, title="Call 'them' \\ back", notes="🏠",
            due_at=model.now if step.variant % 2 else None, assigned_agent_id=by,
            run_id=run.id if run else None, step_number=0 if run else None, created_by=by,
        )]  # fmt: skip
    task_id = list(model.tasks)[step.target % len(model.tasks)]
    ids: dict[str, Any] = {"task_id": task_id, "lead_id": model.tasks[task_id]}
    events: list[Event] = [
        TaskAssigned(**ids, assigned_agent_id=model.agent(step.target), assigned_by=by),
        TaskDue(**ids, due_at=model.now),
        TaskDone(**ids, result="done" if step.variant % 2 else None, done_by=by),
    ]
    return [events[step.variant // 3 % 3]]
