"""Examples for `workflow_definitions`: given events, the rows that they leave."""

from events.event import Event
from events.leads import LeadStatus
from events.workflows import (
    Step,
    StepAction,
    WorkflowActivated,
    WorkflowDeactivated,
    WorkflowDefined,
)
from projections.workflows import projection
from tests.projections.given import ORG, PROPERTY, at, only, rows_of
from tests.projections.workflows import DEFINITION

STEPS = (
    Step(id="hi", delay_hours=0.5, action=StepAction.SMS, template_slug="hello"),
    Step(id="rest", delay_hours=24, action=StepAction.WAIT),
)


def defined(version: int, **more: object) -> WorkflowDefined:
    fields = {"display_name": "Greeting", "trigger_on": "lead_created", "steps": STEPS,
            "exit_conditions": (LeadStatus.LEASED,)}  # fmt: skip
    return WorkflowDefined.model_validate(
        {"definition_id": DEFINITION, "definition_version": version, **fields, **more}
    )


ON, OFF = WorkflowActivated(definition_id=DEFINITION), WorkflowDeactivated(definition_id=DEFINITION)


def test_a_definition_is_inactive_until_it_is_activated() -> None:
    (row,) = rows_of(projection, defined(1, seeded=True))
    assert row == {
        "id": DEFINITION, "org_id": ORG, "property_id": PROPERTY, "name": "Greeting",
        "description": None,
        "trigger_on": "lead_created", "exit_conditions": ["leased"], "is_active": False,
        "steps": [
            {"id": "hi", "delay_hours": 0.5, "action": "sms", "template_slug": "hello"},
            {"id": "rest", "delay_hours": 24.0, "action": "wait", "template_slug": None},
        ],
        "created_at": at(1), "updated_at": at(1), "version": 1, "seeded": True,
        "exit_events": [], "reentry": None, "min_interval_hours": None, "max_age_hours": None,
    }  # fmt: skip
    for events, is_active in (((ON,), True), ((ON, OFF), False), ((ON, defined(2)), True)):
        history: list[Event] = [defined(1), *events]
        assert only(rows_of(projection, *history), "is_active") == [(is_active,)]


def test_a_new_version_replaces_the_former_one() -> None:
    changed = defined(2, display_name="Other", steps=(), exit_conditions=(), description="new")
    rows = rows_of(projection, defined(1, seeded=True), changed)
    assert only(rows, "name", "steps", "exit_conditions", "description", "version", "seeded") == [
        ("Other", [], [], "new", 2, False)
    ]
    assert only(rows, "created_at", "updated_at") == [(at(1), at(2))]


def test_the_rules_of_a_version_are_columns() -> None:
    rules = {"exit_events": ("opt_out", "tour_booked"), "reentry": "after_end",
             "min_interval_hours": 1.5, "max_age_hours": 48.0}  # fmt: skip
    rows = rows_of(projection, defined(1), defined(2, **rules))
    assert only(rows, *rules) == [(["opt_out", "tour_booked"], "after_end", 1.5, 48.0)]
