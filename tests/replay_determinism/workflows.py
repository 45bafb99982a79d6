"""Workflows in a house: written, switched, run; templates; and the messages that leads get."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from events.deliveries import (
    DeliveryDelivered,
    DeliveryFailed,
    DeliveryHandedOver,
    DeliveryHeld,
    DeliveryPlanned,
    DeliveryPurpose,
    DeliveryReconciled,
    DeliverySkipped,
    DeliveryUnknown,
    ReconciledOutcome,
)
from events.event import Event
from events.leads import LeadStatus
from events.runs import (
    RunCompleted,
    RunConverted,
    RunEnrolled,
    RunMoved,
    RunPaused,
    RunResumed,
    RunStepReached,
    RunStopped,
    StepOutcome,
)
from events.workflows import (
    MessageChannel,
    Step,
    StepAction,
    TemplateDefined,
    TemplateRetired,
    WorkflowActivated,
    WorkflowDeactivated,
    WorkflowDefined,
)
from tests.replay_determinism import property as houses
from tests.replay_determinism.property import HostProperty

WRITTEN = (
    WorkflowDefined, WorkflowActivated, WorkflowDeactivated, TemplateDefined, TemplateRetired,
)  # fmt: skip
RUN = (
    RunEnrolled, RunStepReached, RunPaused, RunResumed, RunMoved, RunStopped, RunConverted,
    RunCompleted,
)  # fmt: skip
SENT = (
    DeliveryPlanned, DeliveryHeld, DeliveryHandedOver, DeliveryDelivered, DeliveryFailed,
    DeliverySkipped, DeliveryUnknown, DeliveryReconciled,
)  # fmt: skip
SOON = timedelta(hours=1)
EXITS: tuple[tuple[LeadStatus, ...], ...] = (
    (), (LeadStatus.LOST,), (LeadStatus.TOUR_BOOKED, LeadStatus.LEASED, LeadStatus.LOST),
)  # fmt: skip


@dataclass
class Run:
    """A lead on its way; `step` comes next."""

    id: UUID
    lead_id: UUID
    step: int = 0

    @property
    def ids(self) -> dict[str, Any]:
        return {"run_id": self.id, "lead_id": self.lead_id}


@dataclass
class Delivery:
    """A message, of a run's step or by hand."""

    id: UUID
    lead_id: UUID
    channel: MessageChannel
    run: Run | None = None
    step: int | None = None

    @property
    def ids(self) -> dict[str, Any]:
        """What each of its events says."""
        purpose = DeliveryPurpose.WORKFLOW if self.run else DeliveryPurpose.MANUAL
        run_id = self.run.id if self.run else None
        return {"delivery_id": self.id, "lead_id": self.lead_id, "channel": self.channel,
                "purpose": purpose, "run_id": run_id, "step_number": self.step}  # fmt: skip


def write_workflow(host_property: HostProperty, said: houses.Step) -> list[Event]:
    """A new definition, a new version of one, or it is switched."""
    by, known = host_property.agent(said.how), host_property.definitions
    if said.how % 3 == 0 or not known:
        definition, version = uuid4(), 1
    else:
        definition = list(known)[said.whom % len(known)]
        version = known[definition] + 1
        if said.how % 3 == 1:
            return [WorkflowActivated(definition_id=definition, activated_by=by)]
        if said.how % 2:
            why = 'review\'s "end"'
            return [WorkflowDeactivated(definition_id=definition, deactivated_by=by, reason=why)]
    known[definition] = version
    steps = [
        Step(id=f's"{n}', delay_hours=n / 3, action=list(StepAction)[n % 3], template_slug="s")
        for n in range(said.whom % 4)
    ]
    return [
        WorkflowDefined(
            definition_id=definition, definition_version=version, display_name=f"W{said.how}",
            description=None if said.how % 2 else "'of' the {house} \\", trigger_on="lead_created",
            steps=tuple(steps), exit_conditions=EXITS[said.whom % 3],
            seeded=said.how % 4 == 0, changed_by=by,
        )
    ]  # fmt: skip


def write_template(host_property: HostProperty, said: houses.Step) -> list[Event]:
    """A new template, a new version of one, or it is retired."""
    known = host_property.templates
    if said.how % 3 == 0 or not known:
        template, version = uuid4(), 1
    else:
        template = list(known)[said.whom % len(known)]
        version = known[template] + 1
        if said.how % 3 == 1:
            return [TemplateRetired(template_id=template, retired_by=host_property.agent(said.how))]
    known[template] = version
    return [
        TemplateDefined(
            template_id=template, template_version=version, slug=f"t-{template}",
            display_name=f"T{version}", channel=list(MessageChannel)[said.whom % 2],
            subject="Re: {{tour_date}}" if said.whom % 2 else None, body="Hi {{first_name}} 🏠",
            is_active=said.how % 2 == 0, seeded=said.how % 4 == 0,
        )
    ]  # fmt: skip


def enrol(host_property: HostProperty, said: houses.Step) -> list[Event]:
    lead_id, known = host_property.lead(said.whom), list(host_property.definitions)
    if lead_id is None or not known:
        return []
    run, definition = Run(uuid4(), lead_id), known[said.how % len(known)]
    host_property.runs.append(run)
    return [
        RunEnrolled(
            **run.ids, definition_id=definition, definition_version=host_property.definitions[definition],
            trigger="lead_created", reentry_key=f"{said.how}",
            next_action_at=host_property.now + SOON if said.how % 2 else None,
        )
    ]  # fmt: skip


def run_on(host_property: HostProperty, said: houses.Step) -> list[Event]:
    """The next thing that may happen to a run: a step with its message, or a person steps in."""
    if not host_property.runs:
        return []
    run, by = host_property.runs[said.whom % len(host_property.runs)], host_property.agent(said.how)
    soon = host_property.now + SOON
    made: list[Event] = [
        RunPaused(**run.ids, remaining_seconds=said.how if said.how % 2 else None, paused_by=by),
        RunResumed(**run.ids, next_action_at=soon, resumed_by=by),
        RunMoved(**run.ids, definition_version=said.whom + 1, step_number=said.how, moved_by=by),
        RunStopped(**run.ids, reason="a 'person' \\ stopped it", stopped_by=by),
        RunConverted(**run.ids, status=list(LeadStatus)[said.how % 8]),
        RunCompleted(**run.ids),
    ]
    kind = said.how % (len(made) + 6)
    return [made[kind]] if kind < len(made) else _step(host_property, run, kind - len(made), said)


def _step(host_property: HostProperty, run: Run, how: int, said: houses.Step) -> list[Event]:
    """A step is waited, skipped or failed; or its message is planned: before it, or after it."""
    number, last = run.step, said.whom % 3 == 0
    run.step += 1
    what: dict[str, Any] = {
        **run.ids, "step_number": number, "step_id": f"step {number}",
        "next_step_number": None if last else run.step,
        "next_action_at": None if last else host_property.now + SOON,
    }  # fmt: skip
    others = (StepOutcome.WAITED, StepOutcome.SKIPPED, StepOutcome.FAILED)
    if how < len(others):
        action = StepAction.WAIT if how == 0 else StepAction.SMS
        error = "no template" if how == 2 else None
        return [RunStepReached(**what, action=action, outcome=others[how], error_message=error)]
    delivery = Delivery(uuid4(), run.lead_id, list(MessageChannel)[said.whom % 2], run, number)
    host_property.deliveries.append(delivery)
    template = next(iter(host_property.templates), None)
    reached = RunStepReached(
        **what, action=StepAction(delivery.channel), outcome=StepOutcome.PLANNED,
        delivery_id=delivery.id, template_id=template,
    )  # fmt: skip
    planned = _planned(host_property, delivery)
    return [planned, reached] if how == len(others) else [reached, planned]


def send(host_property: HostProperty, said: houses.Step) -> list[Event]:
    """A message by hand, or what becomes of any."""
    if said.how % 4 == 0 or not host_property.deliveries:
        lead_id = host_property.lead(said.whom)
        if lead_id is None:
            return []
        delivery = Delivery(uuid4(), lead_id, list(MessageChannel)[said.how % 2])
        host_property.deliveries.append(delivery)
        return [_planned(host_property, delivery)]
    delivery = host_property.deliveries[said.whom % len(host_property.deliveries)]
    ids, external = delivery.ids, f"SM{said.how}" if said.how % 2 else None
    made: list[Event] = [
        DeliveryHeld(**ids, reason="quiet_hours", held_until=host_property.now + SOON),
        DeliveryHandedOver(**ids, provider="p", attempt=1, simulated=said.how % 2 == 0,
                           external_id=external),
        DeliveryDelivered(**ids, external_id=external),
        DeliveryFailed(**ids, reason="the 'number' is wrong", external_id=external),
        DeliverySkipped(**ids, reason="no_consent", detail="withdrawn" if external else None),
        DeliveryUnknown(**ids, attempt=2, detail=None),
        *(DeliveryReconciled(**ids, outcome=outcome, detail="seen" if external else None)
          for outcome in ReconciledOutcome),
    ]  # fmt: skip
    return [made[said.how % len(made)]]


def _planned(host_property: HostProperty, delivery: Delivery) -> DeliveryPlanned:
    return DeliveryPlanned(
        **delivery.ids, due_at=host_property.now, recipient="+15125550123", body="Hi {{x}} 🏠",
        template_id=next(iter(host_property.templates), None),
    )  # fmt: skip
