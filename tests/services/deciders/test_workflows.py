"""The decider of workflow definitions: versions, valid content and activation."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from events.leads import LeadStatus
from events.workflows import (
    MessageChannel,
    Step,
    StepAction,
    WorkflowActivated,
    WorkflowDeactivated,
    WorkflowDefined,
)
from services.deciders.decider import Refused
from services.deciders.workflows import (
    ActivateWorkflow,
    DeactivateWorkflow,
    DefineWorkflow,
    Trigger,
    WorkflowContent,
)
from tests.services.deciders.given import given

FLOW, ANN = uuid4(), uuid4()
HELLO = Step(id="hello", delay_hours=0.25, action=StepAction.SMS, template_slug="hello")
PAUSE = Step(id="pause", delay_hours=0, action=StepAction.WAIT)
CONTENT = WorkflowContent("Greeting", Trigger.LEAD_CREATED, (HELLO, PAUSE))
READY = {"hello": MessageChannel.SMS}


def defined(version: int, content: WorkflowContent = CONTENT, **more: Any) -> WorkflowDefined:
    description = {"description": content.description} if content.description else {}
    return WorkflowDefined.model_validate({
        "definition_id": FLOW, "definition_version": version, "display_name": content.display_name,
        "trigger_on": content.trigger_on, "steps": content.steps,
        "exit_conditions": content.exit_conditions, **description, **more,
    })  # fmt: skip


ACTIVATED = WorkflowActivated(definition_id=FLOW)
DEACTIVATED = WorkflowDeactivated(definition_id=FLOW)


def test_each_change_is_a_new_version() -> None:
    given().when(DefineWorkflow(FLOW, CONTENT)).then(defined(1))
    longer = replace(CONTENT, description="Says hello.")
    given(defined(1)).when(DefineWorkflow(FLOW, longer, expected_version=1, changed_by=ANN)).then(
        defined(2, longer, changed_by=ANN)
    )
    given(defined(1), defined(2, longer)).when(DefineWorkflow(FLOW, CONTENT)).then(defined(3))


def test_the_same_content_is_not_a_new_version() -> None:
    given(defined(1)).when(DefineWorkflow(FLOW, CONTENT)).then()


def test_an_outdated_expected_version_is_refused() -> None:
    history = given(defined(1), defined(2, replace(CONTENT, display_name="Other")))
    for command in (
        DefineWorkflow(FLOW, CONTENT, expected_version=1),
        ActivateWorkflow(FLOW, READY, expected_version=1),
        DeactivateWorkflow(FLOW, expected_version=3),
    ):
        history.when(command).refused("stale_version", 409)


def test_a_default_never_replaces_an_existing_workflow() -> None:
    seeded = DefineWorkflow(FLOW, CONTENT, seeded=True)
    given().when(seeded).then(defined(1, seeded=True))
    given(defined(1, replace(CONTENT, display_name="Ours"))).when(seeded).then()


def test_a_workflow_is_activated_and_deactivated_once() -> None:
    on, off = ActivateWorkflow(FLOW, READY), DeactivateWorkflow(FLOW)
    given(defined(1)).when(on).then(ACTIVATED)
    given(defined(1), ACTIVATED).when(on).then()
    given(defined(1), ACTIVATED).when(off).then(DEACTIVATED)
    given(defined(1)).when(off).then()
    given(defined(1), ACTIVATED, DEACTIVATED).when(on).then(ACTIVATED)


def test_an_active_workflow_needs_its_templates() -> None:
    channels: list[dict[str, MessageChannel]] = [{}, {"hello": MessageChannel.EMAIL}]
    for wrong in channels:
        given(defined(1)).when(ActivateWorkflow(FLOW, wrong)).refused("template_not_ready", 409)
        changed = replace(CONTENT, display_name="Other")
        given(defined(1), ACTIVATED).when(DefineWorkflow(FLOW, changed, wrong)).refused(
            "template_not_ready", 409
        )
    given(defined(1), ACTIVATED).when(
        DefineWorkflow(FLOW, replace(CONTENT, display_name="Other"), READY)
    ).then(defined(2, replace(CONTENT, display_name="Other")))


def test_an_error_shows_the_start_of_a_long_text() -> None:
    unknown = DefineWorkflow(FLOW, replace(CONTENT, trigger_on="x" * 61))
    with pytest.raises(Refused, match=f"^'{'x' * 60}' is not a trigger"):
        _ = given().when(unknown).events
    steps = tuple(
        HELLO.model_copy(update={"id": f"step-{n}", "template_slug": f"slug-{n}"})
        for n in range(50)
    )
    history = given(defined(1, replace(CONTENT, steps=steps)))
    with pytest.raises(Refused) as caught:
        _ = history.when(ActivateWorkflow(FLOW, {})).events
    assert len(caught.value.message) == 1_000


def test_a_workflow_that_does_not_exist_is_unknown() -> None:
    for command in (
        DefineWorkflow(FLOW, CONTENT, expected_version=1), ActivateWorkflow(FLOW, READY),
        DeactivateWorkflow(FLOW),
    ):  # fmt: skip
        given().when(command).refused("unknown_subject", 404)


@pytest.mark.parametrize("trigger", ["", "lead_levitated", "LEAD_CREATED", "x" * 100])
def test_an_unknown_trigger_is_refused(trigger: str) -> None:
    content = replace(CONTENT, trigger_on=trigger)
    given().when(DefineWorkflow(FLOW, content)).refused("unknown_trigger", 400)


@pytest.mark.parametrize(
    "wrong",
    [
        replace(CONTENT, display_name="  "),
        replace(CONTENT, steps=()),
        replace(CONTENT, steps=(HELLO, PAUSE, HELLO)),
        replace(CONTENT, steps=(HELLO.model_copy(update={"template_slug": None}),)),
        replace(CONTENT, steps=(PAUSE.model_copy(update={"template_slug": "hello"}),)),
        replace(CONTENT, exit_conditions=(LeadStatus.LOST, LeadStatus.LOST)),
    ],
    ids=["no name", "no step", "an id twice", "nothing to send", "a wait that sends", "exit twice"],
)
def test_invalid_content_is_refused(wrong: WorkflowContent) -> None:
    given().when(DefineWorkflow(FLOW, wrong)).refused("invalid_definition", 400)


@pytest.mark.parametrize("hours", [-0.1, float("nan"), float("inf"), 24 * 367, "1", True])
def test_a_delay_that_is_not_a_valid_number_of_hours_is_refused(hours: Any) -> None:
    with pytest.raises(ValueError, match="delay_hours"):
        Step(id="x", delay_hours=hours, action=StepAction.WAIT)
