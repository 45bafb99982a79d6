"""The decider of tasks: created, assigned, due and done."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias, assert_never
from uuid import UUID

from events.event import Event
from events.leads import LeadArrived
from events.record import Stream
from events.tasks import TaskAssigned, TaskCreated, TaskDone, TaskDue
from services.deciders.decider import Decider, Refused, UnknownSubject


@dataclass(frozen=True, slots=True)
class CreateTask:
    """Create a task for a lead; without `agent_id` nobody has it yet."""

    task_id: UUID
    lead_id: UUID
    title: str
    notes: str | None = None
    due_at: datetime | None = None
    agent_id: UUID | None = None
    run_id: UUID | None = None
    step_number: int | None = None
    created_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class AssignTask:
    """Make an agent responsible for a task; None if nobody is."""

    task_id: UUID
    lead_id: UUID
    agent_id: UUID | None
    reason: str | None = None
    assigned_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class MarkTaskDue:
    """Record that the due time has passed; nothing if the task is done."""

    task_id: UUID
    lead_id: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class FinishTask:
    """Record that the task is done."""

    task_id: UUID
    lead_id: UUID
    result: str | None = None
    done_by: UUID | None = None


Command: TypeAlias = CreateTask | AssignTask | MarkTaskDue | FinishTask


@dataclass(frozen=True, slots=True)
class Task:
    """The state of a task; `lead_id` None means that it does not exist."""

    lead_id: UUID | None = None
    lead_exists: bool = False
    agent_id: UUID | None = None
    due_at: datetime | None = None
    is_due: bool = False
    is_done: bool = False


def streams(command: Command) -> Sequence[Stream]:
    return [Stream("task", command.task_id), Stream("lead", command.lead_id)]


def evolve(state: Task, event: Event) -> Task:
    match event:
        case LeadArrived():
            return replace(state, lead_exists=True)
        case TaskCreated():
            return replace(state, lead_id=event.lead_id, agent_id=event.assigned_agent_id,
                           due_at=event.due_at)  # fmt: skip
        case TaskAssigned():
            return replace(state, agent_id=event.assigned_agent_id)
        case TaskDue():
            return replace(state, is_due=True)
        case TaskDone():
            return replace(state, is_done=True)
        case _:
            return state


def decide(command: Command, state: Task) -> list[Event]:
    if isinstance(command, CreateTask):
        return _create(command, state)
    if state.lead_id is None:
        raise UnknownSubject(Stream("task", command.task_id))
    identity = {"task_id": command.task_id, "lead_id": state.lead_id}
    if state.is_done:
        if isinstance(command, AssignTask):
            raise Refused("task_done", f"task {command.task_id} is done: create another one")
        return []
    match command:
        case AssignTask():
            if state.agent_id == command.agent_id:
                return []
            return [TaskAssigned(
                **identity, assigned_agent_id=command.agent_id, reason=command.reason,
                assigned_by=command.assigned_by,
            )]  # fmt: skip
        case MarkTaskDue():
            if state.is_due or state.due_at is None or state.due_at > command.at:
                return []
            return [TaskDue(**identity, due_at=state.due_at)]
        case FinishTask():
            return [TaskDone(**identity, result=command.result, done_by=command.done_by)]
        case _:
            assert_never(command)


def _create(command: CreateTask, state: Task) -> list[Event]:
    if not state.lead_exists:
        raise UnknownSubject(Stream("lead", command.lead_id))
    if state.lead_id is not None:
        return []
    if not command.title.strip():
        raise Refused("invalid_task", "a task needs a title", 400)
    return [TaskCreated(
        task_id=command.task_id, lead_id=command.lead_id, title=command.title,
        notes=command.notes, due_at=command.due_at, assigned_agent_id=command.agent_id,
        run_id=command.run_id, step_number=command.step_number, created_by=command.created_by,
    )]  # fmt: skip


decider: Decider[Command, Task] = Decider(
    "task", (CreateTask, AssignTask, MarkTaskDue, FinishTask), streams, Task(), evolve, decide
)
