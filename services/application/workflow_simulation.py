"""The simulation of a workflow for one lead: every step with its instant, and nothing happens."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from events.deliveries import (
    DeliveryChannel,
    DeliveryPlanned,
    DeliveryPurpose,
    MessageClass,
)
from events.record import Stream
from events.runs import StepOutcome
from events.workflows import Step
from services.application.deliveries import MessageDraft, render_message
from services.application.lead_values import load_values as load_lead_values
from services.application.sending_context import load_values
from services.application.unit_of_work import UnitOfWork
from services.deciders import leads, workflows
from services.deciders.decider import Refused, UnknownSubject
from services.deciders.deliveries import find_recipient
from services.deciders.sending_rules.catalog import judge
from services.deciders.sending_rules.context import SendingContext, SentMessage
from services.deciders.sending_rules.recipient_zones import find_zones
from services.deciders.sending_rules.rule_result import Ruling
from services.deciders.steps.catalog import STEP_TYPES, find_due_time, find_next_step
from services.deciders.steps.step_type import SendTemplate, StepContext, StepDecision


@dataclass(frozen=True, slots=True)
class SimulatedStep:
    """A step as it would be done: when, with which outcome, and which rule would hold its message.

    `at` is when the step is due. `sent_at` is the next lawful minute of its message, `at` itself if
    no rule holds it, None if nothing is sent.
    """

    step_number: int
    step_id: str
    action: str
    at: datetime
    property_time: str | None
    lead_time: str | None
    outcome: str
    choice: str | None = None
    rule: str | None = None
    sent_at: datetime | None = None
    detail: str | None = None


@dataclass(slots=True)
class _Simulation:
    uow: UnitOfWork
    lead_id: UUID
    definition_id: UUID
    zone: str | None
    values: dict[str, Any]
    sent: list[SentMessage]


async def simulate(
    uow: UnitOfWork, definition_id: UUID, lead_id: UUID, starts_at: datetime
) -> list[SimulatedStep]:
    """Return the steps that the newest version would do for the lead if it started then.

    The lead is taken as it is now, and no event that a step waits for happens. Raises `Refused`.
    """
    content = (await uow.load(workflows.decider, definition_id)).content
    if content is None:
        raise UnknownSubject(Stream("definition", definition_id))
    lead_id = await uow.surviving_lead(lead_id)
    lead = await uow.load(leads.decider, lead_id)
    if not lead.exists:
        raise UnknownSubject(Stream("lead", lead_id))
    zone = (await uow.load_property()).zone_name
    values = await load_lead_values(uow, lead_id)
    simulation = _Simulation(uow, lead_id, definition_id, zone, values, [])
    done: list[SimulatedStep] = []
    number: int | None = 0
    at = find_due_time(content.steps[0], starts_at, zone)
    while number is not None:
        step = content.steps[number]
        context = StepContext(lead_id, lead_id, definition_id, at, at, zone, values)
        decision = _decide(step, context)
        if decision.waits_until is not None:
            done.append(await _describe(simulation, number, step, at, decision))
            at = decision.waits_until
            decision = _decide(step, replace(context, at=at, is_waiting=True))
        done.append(await _describe(simulation, number, step, at, decision))
        number = find_next_step(content.steps, number, decision)
        if number is not None:
            at = find_due_time(content.steps[number], at, zone)
    return done


def _decide(step: Step, context: StepContext) -> StepDecision:
    step_type = STEP_TYPES[step.action]
    return step_type.decide(step, step_type.read_options(step), context)


async def _describe(
    simulation: _Simulation, number: int, step: Step, at: datetime, decision: StepDecision
) -> SimulatedStep:
    """Return the step with the ruling about its message."""
    lead_zone = await _find_lead_zone(simulation, at)
    described = SimulatedStep(
        number, step.id, step.action.value, at, _local(at, simulation.zone),
        _local(at, lead_zone), decision.outcome.value, decision.choice, detail=decision.detail,
    )  # fmt: skip
    if not isinstance(decision.effect, SendTemplate):
        return described
    draft = MessageDraft(decision.effect.channel, template_slug=decision.effect.slug)
    try:
        rendered = await render_message(simulation.uow, simulation.lead_id, draft)
    except Refused as refused:
        detail = f"{refused.code}: {refused.message}"
        return replace(described, outcome=StepOutcome.FAILED.value, detail=detail)
    planned = _plan(simulation, number, at, decision.effect).model_copy(
        update={"template_id": rendered.template_id, "body": rendered.body}
    )
    context = await _build_context(simulation, planned, at)
    result = judge(context)
    if result.ruling is Ruling.SKIP:
        outcome = StepOutcome.SKIPPED.value
        return replace(described, outcome=outcome, rule=result.code, detail=result.detail)
    sent_at = at if result.until is None else _next_minute(result.until)
    if sent_at > decision.effect.useful_until:
        detail = f"useful until {decision.effect.useful_until.isoformat()}"
        return replace(
            described, outcome=StepOutcome.SKIPPED.value, rule=result.code, detail=detail
        )
    simulation.sent.append(SentMessage(sent_at, planned.channel, MessageClass.MARKETING))
    rule = None if result.ruling is Ruling.ALLOW else result.code
    return replace(described, rule=rule, sent_at=sent_at)


def _plan(
    simulation: _Simulation, number: int, at: datetime, message: SendTemplate
) -> DeliveryPlanned:
    return DeliveryPlanned(
        delivery_id=uuid5(simulation.definition_id, f"{simulation.lead_id}/{number}"),
        lead_id=simulation.lead_id, channel=DeliveryChannel(message.channel),
        purpose=DeliveryPurpose.WORKFLOW, due_at=at, useful_until=message.useful_until,
        message_class=MessageClass.MARKETING,
    )  # fmt: skip


async def _build_context(
    simulation: _Simulation, planned: DeliveryPlanned, at: datetime
) -> SendingContext:
    values = await load_values(simulation.uow, planned)
    values["sent"] = [*values["sent"], *simulation.sent]
    return SendingContext(at, planned, at, **values)


async def _find_lead_zone(simulation: _Simulation, at: datetime) -> str | None:
    """Return the time zone in which the lead probably is, by the rules of sending."""
    lead = await simulation.uow.load(leads.decider, simulation.lead_id)
    planned = DeliveryPlanned(
        delivery_id=simulation.lead_id, lead_id=simulation.lead_id, due_at=at,
        channel=DeliveryChannel.SMS, purpose=DeliveryPurpose.WORKFLOW,
    )  # fmt: skip
    phone = find_recipient(lead, DeliveryChannel.SMS)
    context = SendingContext(
        at, planned, at, phone, lead_phone=phone, property_zone=simulation.zone
    )
    return next(iter(find_zones(context).names), None)


def _local(at: datetime, zone: str | None) -> str | None:
    """Return an instant as the local time of a zone, with the zone's name."""
    if zone is None:
        return None
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} {zone}"


def _next_minute(at: datetime) -> datetime:
    """Return the first whole minute that is not before the instant."""
    whole = at.replace(second=0, microsecond=0)
    return whole if whole == at else whole + timedelta(minutes=1)
