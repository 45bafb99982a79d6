"""The decider of tasks: created, assigned, due and done."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from events.leads import LeadCaptured
from events.tasks import TaskAssigned, TaskCreated, TaskDone, TaskDue
from services.deciders.tasks import AssignTask, CreateTask, FinishTask, MarkTaskDue
from tests.services.deciders.given import given

TASK, LEAD, ANN, BEN = uuid4(), uuid4(), uuid4(), uuid4()
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CAPTURED = LeadCaptured(lead_id=LEAD)
CREATE = CreateTask(TASK, LEAD, "Call", due_at=NOON, agent_id=ANN)
CREATED = TaskCreated(task_id=TASK, lead_id=LEAD, title="Call", due_at=NOON, assigned_agent_id=ANN)
DONE = TaskDone(task_id=TASK, lead_id=LEAD, done_by=ANN)


def test_a_task_is_created_once_for_a_lead_that_exists() -> None:
    given(CAPTURED).when(CREATE).then(CREATED)
    given(CAPTURED, CREATED).when(CREATE).then()
    given().when(CREATE).refused("unknown_subject", 404)
    given(CAPTURED).when(replace(CREATE, title=" ")).refused("invalid_task", 400)


def test_a_task_is_assigned_to_another_agent_until_it_is_done() -> None:
    given(CREATED).when(AssignTask(TASK, LEAD, BEN, assigned_by=ANN)).then(
        TaskAssigned(task_id=TASK, lead_id=LEAD, assigned_agent_id=BEN, assigned_by=ANN)
    )
    given(CREATED).when(AssignTask(TASK, LEAD, ANN)).then()
    given(CREATED, DONE).when(AssignTask(TASK, LEAD, BEN)).refused("task_done", 409)


@pytest.mark.parametrize(("at", "is_due"), [(NOON - timedelta(seconds=1), False), (NOON, True)])
def test_a_task_is_due_at_its_time(at: datetime, is_due: bool) -> None:
    due = TaskDue(task_id=TASK, lead_id=LEAD, due_at=NOON)
    given(CREATED).when(MarkTaskDue(TASK, LEAD, at)).then(*([due] if is_due else []))
    given(CREATED, due).when(MarkTaskDue(TASK, LEAD, at)).then()
    given(CREATED, DONE).when(MarkTaskDue(TASK, LEAD, at)).then()


def test_a_task_is_done_once() -> None:
    given(CREATED).when(FinishTask(TASK, LEAD, "ok", ANN)).then(
        TaskDone(task_id=TASK, lead_id=LEAD, result="ok", done_by=ANN)
    )
    given(CREATED, DONE).when(FinishTask(TASK, LEAD)).then()
    given().when(FinishTask(TASK, LEAD)).refused("unknown_subject", 404)
