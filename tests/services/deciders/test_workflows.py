"""Definitions: versions, what may stand in one, and when it may be switched on."""

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
from services.deciders.workflows import (
    ActivateWorkflow,
    DeactivateWorkflow,
    DefineWorkflow,
    Trigger,
    Written,
)
from tests.services.deciders.given import given

FLOW, ANN = uuid4(), uuid4()
HELLO = Step(id="hello", delay_hours=0.25, action=StepAction.SMS, template_slug="hello")
PAUSE = Step(id="pause", delay_hours=0, action=StepAction.WAIT)
WRITTEN = Written("Greeting", Trigger.LEAD_CREATED, (HELLO, PAUSE))
READY = {"hello": MessageChannel.SMS}


def defined(version: int, written: Written = WRITTEN, **more: Any) -> WorkflowDefined:
    said = {"description": written.description} if written.description else {}
    return WorkflowDefined.model_validate({
        "definition_id": FLOW, "definition_version": version, "display_name": written.display_name,
        "trigger_on": written.trigger_on, "steps": written.steps,
        "exit_conditions": written.exit_conditions, **said, **more,
    })  # fmt: skip


ACTIVATED = WorkflowActivated(definition_id=FLOW)
DEACTIVATED = WorkflowDeactivated(definition_id=FLOW)


def test_each_change_is_a_new_version() -> None:
    given().when(DefineWorkflow(FLOW, WRITTEN)).then(defined(1))
    longer = replace(WRITTEN, description="Says hello.")
    given(defined(1)).when(DefineWorkflow(FLOW, longer, seen=1, changed_by=ANN)).then(
        defined(2, longer, changed_by=ANN)
    )
    given(defined(1), defined(2, longer)).when(DefineWorkflow(FLOW, WRITTEN)).then(defined(3))


def test_the_same_again_is_no_version() -> None:
    given(defined(1)).when(DefineWorkflow(FLOW, WRITTEN)).then()


def test_who_has_not_seen_the_newest_version_is_told_so() -> None:
    history = given(defined(1), defined(2, replace(WRITTEN, display_name="Other")))
    for command in (
        DefineWorkflow(FLOW, WRITTEN, seen=1), ActivateWorkflow(FLOW, READY, seen=1),
        DeactivateWorkflow(FLOW, seen=3),
    ):  # fmt: skip
        history.when(command).refused("stale_version", 409)


def test_a_seeded_one_never_replaces_what_is_there() -> None:
    seeded = DefineWorkflow(FLOW, WRITTEN, seeded=True)
    given().when(seeded).then(defined(1, seeded=True))
    given(defined(1, replace(WRITTEN, display_name="Ours"))).when(seeded).then()


def test_it_is_switched_on_and_off() -> None:
    on, off = ActivateWorkflow(FLOW, READY), DeactivateWorkflow(FLOW)
    given(defined(1)).when(on).then(ACTIVATED)
    given(defined(1), ACTIVATED).when(on).then()
    given(defined(1), ACTIVATED).when(off).then(DEACTIVATED)
    given(defined(1)).when(off).then()
    given(defined(1), ACTIVATED, DEACTIVATED).when(on).then(ACTIVATED)


def test_what_has_nothing_to_send_is_not_switched_on_nor_changed_while_on() -> None:
    channels: list[dict[str, MessageChannel]] = [{}, {"hello": MessageChannel.EMAIL}]
    for wrong in channels:
        given(defined(1)).when(ActivateWorkflow(FLOW, wrong)).refused("template_not_ready", 409)
        changed = replace(WRITTEN, display_name="Other")
        given(defined(1), ACTIVATED).when(DefineWorkflow(FLOW, changed, wrong)).refused(
            "template_not_ready", 409
        )
    given(defined(1), ACTIVATED).when(
        DefineWorkflow(FLOW, replace(WRITTEN, display_name="Other"), READY)
    ).then(defined(2, replace(WRITTEN, display_name="Other")))


def test_what_is_not_there_is_unknown() -> None:
    for command in (
        DefineWorkflow(FLOW, WRITTEN, seen=1), ActivateWorkflow(FLOW, READY),
        DeactivateWorkflow(FLOW),
    ):  # fmt: skip
        given().when(command).refused("unknown_subject", 404)


@pytest.mark.parametrize("trigger", ["", "lead_levitated", "LEAD_CREATED", "x" * 100])
def test_a_trigger_is_one_of_those_there_are(trigger: str) -> None:
    written = replace(WRITTEN, trigger_on=trigger)
    given().when(DefineWorkflow(FLOW, written)).refused("unknown_trigger", 400)


@pytest.mark.parametrize(
    "wrong",
    [
        replace(WRITTEN, display_name="  "),
        replace(WRITTEN, steps=()),
        replace(WRITTEN, steps=(HELLO, PAUSE, HELLO)),
        replace(WRITTEN, steps=(HELLO.model_copy(update={"template_slug": None}),)),
        replace(WRITTEN, steps=(PAUSE.model_copy(update={"template_slug": "hello"}),)),
        replace(WRITTEN, exit_conditions=(LeadStatus.LOST, LeadStatus.LOST)),
    ],
    ids=["no name", "no step", "an id twice", "nothing to send", "a wait that sends", "exit twice"],
)
def test_what_makes_no_workflow_is_refused(wrong: Written) -> None:
    given().when(DefineWorkflow(FLOW, wrong)).refused("invalid_definition", 400)


@pytest.mark.parametrize("hours", [-0.1, float("nan"), float("inf"), 24 * 367, "1", True])
def test_a_delay_is_some_hours_from_now(hours: Any) -> None:
    with pytest.raises(ValueError, match="delay_hours"):
        Step(id="x", delay_hours=hours, action=StepAction.WAIT)
