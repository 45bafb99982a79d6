"""Examples for `lead_tasks`: given events, the rows that they leave."""

from uuid import UUID

from events.tasks import TaskAssigned, TaskCreated, TaskDone, TaskDue
from projections.tasks import projection
from tests.projections.given import LEAD, ORG, PROPERTY, at, only, rows_of

TASK, ANN, RUN = UUID(int=31), UUID(int=32), UUID(int=33)
CREATED = TaskCreated(
    task_id=TASK, lead_id=LEAD, title="Call", notes="soon", due_at=at(60), assigned_agent_id=ANN,
    run_id=RUN, step_number=2, created_by=ANN,
)  # fmt: skip


def test_a_new_task_is_open() -> None:
    assert rows_of(projection, CREATED) == [{
        "id": TASK, "org_id": ORG, "property_id": PROPERTY, "lead_id": LEAD, "title": "Call",
        "notes": "soon", "status": "open", "due_at": at(60), "assigned_agent_id": ANN,
        "run_id": RUN, "step_number": 2, "result": None, "created_by": ANN, "done_by": None,
        "done_at": None, "created_at": at(1), "updated_at": at(1),
    }]  # fmt: skip


def test_a_task_is_assigned_due_and_done() -> None:
    columns = ("assigned_agent_id", "status", "result", "done_by", "done_at", "updated_at")
    events = (
        CREATED,
        TaskAssigned(task_id=TASK, lead_id=LEAD, assigned_agent_id=None),
        TaskDue(task_id=TASK, lead_id=LEAD, due_at=at(60)),
        TaskDone(task_id=TASK, lead_id=LEAD, result="reached", done_by=ANN),
    )
    assert only(rows_of(projection, *events[:2]), *columns) == [
        (None, "open", None, None, None, at(2))
    ]
    assert only(rows_of(projection, *events[:3]), *columns) == [
        (None, "due", None, None, None, at(3))
    ]
    assert only(rows_of(projection, *events), *columns) == [
        (None, "done", "reached", ANN, at(4), at(4))
    ]
