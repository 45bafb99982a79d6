"""Steps of workflow definitions, templates, runs and deliveries."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from events.deliveries import (
    DeliveryClaimed,
    DeliveryDelivered,
    DeliveryFailed,
    DeliveryHandedOver,
    DeliveryHeld,
    DeliveryPlanned,
    DeliveryPurpose,
    DeliveryReconciled,
    DeliveryReleased,
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
    ExitEvent,
    MessageChannel,
    ReentryRule,
    Step,
    StepAction,
    TemplateDefined,
    TemplateRetired,
    WorkflowActivated,
    WorkflowDeactivated,
    WorkflowDefined,
)
from tests.replay_determinism.property import HistoryStep, PropertyModel

DEFINITION_EVENTS = (
    WorkflowDefined, WorkflowActivated, WorkflowDeactivated, TemplateDefined, TemplateRetired,
)  # fmt: skip
RUN_EVENTS = (
    RunEnrolled, RunStepReached, RunPaused, RunResumed, RunMoved, RunStopped, RunConverted,
    RunCompleted,
)  # fmt: skip
DELIVERY_EVENTS = (
    DeliveryPlanned, DeliveryHeld, DeliveryHandedOver, DeliveryDelivered, DeliveryFailed,
    DeliverySkipped, DeliveryUnknown, DeliveryReconciled, DeliveryClaimed, DeliveryReleased,
)  # fmt: skip
SOON = timedelta(hours=1)
EXITS: tuple[tuple[LeadStatus, ...], ...] = (
    (), (LeadStatus.LOST,), (LeadStatus.TOUR_BOOKED, LeadStatus.LEASED, LeadStatus.LOST),
)  # fmt: skip


@dataclass
class Run:
    """A run; `step` is the next step number."""

    id: UUID
    lead_id: UUID
    step: int = 0

    @property
    def ids(self) -> dict[str, Any]:
        return {"run_id": self.id, "lead_id": self.lead_id}


@dataclass
class Delivery:
    """A delivery, of a step of a run or manual."""

    id: UUID
    lead_id: UUID
    channel: MessageChannel
    run: Run | None = None
    step: int | None = None

    @property
    def ids(self) -> dict[str, Any]:
        """Return the id fields of its events."""
        purpose = DeliveryPurpose.WORKFLOW if self.run else DeliveryPurpose.MANUAL
        run_id = self.run.id if self.run else None
        return {"delivery_id": self.id, "lead_id": self.lead_id, "channel": self.channel,
                "purpose": purpose, "run_id": run_id, "step_number": self.step}  # fmt: skip


def write_workflow(model: PropertyModel, step: HistoryStep) -> list[Event]:
    """Define a workflow or a new version, or activate or deactivate one."""
    by, known = model.agent(step.variant), model.definitions
    if step.variant % 3 == 0 or not known:
        definition, version = uuid4(), 1
    else:
        definition = list(known)[step.target % len(known)]
        version = known[definition] + 1
        if step.variant % 3 == 1:
            return [WorkflowActivated(definition_id=definition, activated_by=by)]
        if step.variant % 2:
            why = 'review\'s "end"'
            return [WorkflowDeactivated(definition_id=definition, deactivated_by=by, reason=why)]
    known[definition] = version
    steps = [
        Step(
            id=f's"{n}',
            delay_hours=n / 3,
            action=list(StepAction)[n % 3],
            template_slug="s",
            options={"at": "09:00", "n": [n]} if n % 2 else {},
        )
        for n in range(step.target % 4)
    ]
    return [
        WorkflowDefined(
            definition_id=definition, definition_version=version, display_name=f"W{step.variant}",
            description=None if step.variant % 2 else "'of' the {property} \\",
            trigger_on="lead_created",
            steps=tuple(steps), exit_conditions=EXITS[step.target % 3],
            seeded=step.variant % 4 == 0, changed_by=by,
            exit_events=tuple(ExitEvent)[: step.target % 3] or None,
            reentry=list(ReentryRule)[step.target % 3] if step.variant % 2 else None,
            min_interval_hours=0.1 * step.variant if step.target % 2 else None,
        )
    ]  # fmt: skip


def write_template(model: PropertyModel, step: HistoryStep) -> list[Event]:
    """Define a template or a new version, or retire one."""
    known = model.templates
    if step.variant % 3 == 0 or not known:
        template, version = uuid4(), 1
    else:
        template = list(known)[step.target % len(known)]
        version = known[template] + 1
        if step.variant % 3 == 1:
            return [TemplateRetired(template_id=template, retired_by=model.agent(step.variant))]
    known[template] = version
    return [
        TemplateDefined(
            template_id=template, template_version=version, slug=f"t-{template}",
            display_name=f"T{version}", channel=list(MessageChannel)[step.target % 2],
            subject="Re: {{tour_date}}" if step.target % 2 else None, body="Hi {{first_name}} 🏠",
            is_active=step.variant % 2 == 0, seeded=step.variant % 4 == 0,
        )
    ]  # fmt: skip


def enrol_lead(model: PropertyModel, step: HistoryStep) -> list[Event]:
    lead_id, known = model.lead(step.target), list(model.definitions)
    if lead_id is None or not known:
        return []
    run, definition = Run(uuid4(), lead_id), known[step.variant % len(known)]
    model.runs.append(run)
    return [
        RunEnrolled(
            **run.ids, definition_id=definition, definition_version=model.definitions[definition],
            trigger="lead_created", reentry_key=f"{step.variant}",
            step_number=step.variant % 3 or None, enrolled_by=model.agent(step.variant),
            next_action_at=model.now + SOON if step.variant % 2 else None,
        )
    ]  # fmt: skip


def continue_run(model: PropertyModel, step: HistoryStep) -> list[Event]:
    """Return a possible next event of a run: a step, or an action of a user."""
    if not model.runs:
        return []
    run, by = model.runs[step.target % len(model.runs)], model.agent(step.variant)
    soon = model.now + SOON
    events: list[Event] = [
        RunPaused(
            **run.ids, remaining_seconds=step.variant if step.variant % 2 else None, paused_by=by
        ),
        RunResumed(**run.ids, next_action_at=soon, resumed_by=by),
        RunMoved(
            **run.ids, definition_version=step.target + 1, step_number=step.variant, moved_by=by
        ),
        RunStopped(
            **run.ids,
            reason="a 'person' \\ stopped it",
            stopped_by=by,
            code="merged" if step.target % 2 else None,
        ),
        RunConverted(**run.ids, status=list(LeadStatus)[step.variant % 8]),
        RunCompleted(**run.ids),
    ]
    kind = step.variant % (len(events) + 6)
    return [events[kind]] if kind < len(events) else _step(model, run, kind - len(events), step)


def _step(model: PropertyModel, run: Run, variant: int, step: HistoryStep) -> list[Event]:
    """Return a step with its outcome; its delivery is planned before or after it."""
    number, last = run.step, step.target % 3 == 0
    run.step += 1
    what: dict[str, Any] = {
        **run.ids, "step_number": number, "step_id": f"step {number}",
        "next_step_number": None if last else run.step,
        "next_action_at": None if last else model.now + SOON,
    }  # fmt: skip
    others = (StepOutcome.WAITED, StepOutcome.SKIPPED, StepOutcome.FAILED)
    if step.target % 4 == 1:
        is_waiting = step.variant % 2 == 0
        run.step -= is_waiting
        return [RunStepReached(
            **{**what, "next_step_number": number} if is_waiting else what,
            action=StepAction.WAIT_FOR_EVENT, choice=None if is_waiting else "timeout",
            outcome=StepOutcome.WAITING if is_waiting else StepOutcome.DONE,
            waits_for="tour_booked" if is_waiting else None,
        )]  # fmt: skip
    if variant < len(others):
        action = StepAction.WAIT if variant == 0 else StepAction.SMS
        error = "no template" if variant == 2 else None
        return [RunStepReached(**what, action=action, outcome=others[variant], error_message=error)]
    delivery = Delivery(uuid4(), run.lead_id, list(MessageChannel)[step.target % 2], run, number)
    model.deliveries.append(delivery)
    template = next(iter(model.templates), None)
    reached = RunStepReached(
        **what, action=StepAction(delivery.channel), outcome=StepOutcome.PLANNED,
        delivery_id=delivery.id, template_id=template,
    )  # fmt: skip
    planned = _planned(model, delivery)
    return [planned, reached] if variant == len(others) else [reached, planned]


def send_message(model: PropertyModel, step: HistoryStep) -> list[Event]:
    """Plan a manual delivery, or return a possible next event of a delivery."""
    if step.variant % 4 == 0 or not model.deliveries:
        lead_id = model.lead(step.target)
        if lead_id is None:
            return []
        delivery = Delivery(uuid4(), lead_id, list(MessageChannel)[step.variant % 2])
        model.deliveries.append(delivery)
        return [_planned(model, delivery)]
    delivery = model.deliveries[step.target % len(model.deliveries)]
    ids, external = delivery.ids, f"SM{step.variant}" if step.variant % 2 else None
    events: list[Event] = [
        DeliveryHeld(**ids, reason="quiet_hours", held_until=model.now + SOON,
                     values={"quiet_hours": {"zones": ['it\'s "x"']}}),
        DeliveryHandedOver(**ids, provider="p", attempt=1, simulated=step.variant % 2 == 0,
                           external_id=external),
        DeliveryDelivered(**ids, external_id=external),
        DeliveryFailed(**ids, reason="the 'number' is wrong", external_id=external),
        DeliverySkipped(**ids, reason="no_consent", detail="withdrawn" if external else None),
        DeliveryUnknown(**ids, attempt=2, detail=None),
        DeliveryClaimed(**ids, attempt=1 + step.variant % 3, provider="p",
                        lease_until=model.now + SOON, values={"window": {"zones": ["UTC"]}}),
        DeliveryReleased(**ids, attempt=1, reason="busy", next_attempt_at=model.now + SOON,
                         detail="429" if external else None),
        *(DeliveryReconciled(**ids, outcome=outcome, detail="seen" if external else None)
          for outcome in ReconciledOutcome),
    ]  # fmt: skip
    return [events[step.variant % len(events)]]


def _planned(model: PropertyModel, delivery: Delivery) -> DeliveryPlanned:
    return DeliveryPlanned(
        **delivery.ids, due_at=model.now, recipient="+15125550123", body="Hi {{x}} 🏠",
        template_id=next(iter(model.templates), None),
    )  # fmt: skip
