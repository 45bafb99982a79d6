"""The effects of steps: what they do besides moving their run."""

from dataclasses import dataclass
from typing import assert_never
from uuid import UUID

import orjson

from events.deliveries import DeliveryChannel, DeliveryPurpose, MessageClass
from events.runs import StepOutcome
from events.workflows import MessageChannel, Step
from services.application.deliveries import MessageDraft, render_message
from services.application.templates import ActiveTemplate, find_template
from services.application.unit_of_work import UnitOfWork
from services.deciders import leads
from services.deciders.decider import Refused
from services.deciders.deliveries import PlanDelivery
from services.deciders.leads import AssignLead, ChangeStatus, NoteLead
from services.deciders.run_steps import delivery_id_of
from services.deciders.runs import Run
from services.deciders.steps.step_type import (
    AddNote,
    AddTask,
    AssignAgent,
    CallWebhook,
    Effect,
    SendTemplate,
    SetStatus,
    StepDecision,
)
from services.deciders.tasks import CreateTask
from services.host import find_unknown_profiles

SKIPPING = frozenset({"no_recipient"})
"""Codes of refusals because of which a message is skipped; because of all others it failed."""


class StepBlocked(Exception):
    """A step that cannot be done now, but can be later, when a person has repaired something."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True, slots=True)
class Performed:
    """The outcome of a step, with what it created and why it did nothing."""

    outcome: StepOutcome
    detail: str | None = None
    delivery_id: UUID | None = None
    template_id: UUID | None = None
    task_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class DueStep:
    """The step of a run that is due."""

    run_id: UUID
    run: Run
    lead_id: UUID
    step: Step

    @property
    def delivery_id(self) -> UUID:
        return delivery_id_of(self.run_id, self.run, self.step.id)


async def perform(uow: UnitOfWork, due: DueStep, decision: StepDecision) -> Performed:
    """Execute the command of a step's effect. Raises `StepBlocked`.

    A step that is impossible for this lead, such as a message without a recipient, is recorded
    with its reason, and the run goes on.
    """
    effect = decision.effect
    if effect is None:
        return Performed(decision.outcome, decision.detail)
    template_id: UUID | None = None
    try:
        if isinstance(effect, SendTemplate):
            template_id = (await _require_template(uow, due, effect)).template_id
        return await _execute(uow, due, effect, decision.outcome)
    except Refused as refused:
        outcome = StepOutcome.SKIPPED if refused.code in SKIPPING else StepOutcome.FAILED
        detail = f"{refused.code}: {refused.message}"
        return Performed(outcome, detail, template_id=template_id)


async def _execute(
    uow: UnitOfWork, due: DueStep, effect: Effect, outcome: StepOutcome
) -> Performed:
    """Execute the command of an effect. Raises `Refused` if it is impossible."""
    lead_id = due.lead_id
    match effect:
        case SendTemplate():
            return await _send(uow, due, effect)
        case CallWebhook():
            return await _call_webhook(uow, due, effect)
        case SetStatus(status):
            reason = f"step {due.step.id} of a workflow"
            await uow.execute(ChangeStatus(lead_id, status, reason))
        case AssignAgent(agent_id):
            await _require_profile(uow, agent_id)
            await uow.execute(AssignLead(lead_id, agent_id))
        case AddNote(text):
            await uow.execute(NoteLead(lead_id, await _render(uow, due, text)))
        case AddTask():
            return Performed(outcome, task_id=await _create_task(uow, due, effect))
        case _:
            assert_never(effect)
    return Performed(outcome)


async def _require_template(uow: UnitOfWork, due: DueStep, message: SendTemplate) -> ActiveTemplate:
    template = await find_template(uow, message.slug)
    if template is None:
        raise StepBlocked(
            "template_missing", f"step {due.step.id} needs the template {message.slug}, which does "
            "not exist or is not active: create or activate it",
        )  # fmt: skip
    return template


async def _send(uow: UnitOfWork, due: DueStep, message: SendTemplate) -> Performed:
    draft = MessageDraft(message.channel, template_slug=message.slug)
    rendered = await render_message(uow, due.lead_id, draft, due.run.tour_id)
    await uow.execute(PlanDelivery(
        due.delivery_id, due.lead_id, message.channel, DeliveryPurpose.WORKFLOW, uow.scope.at,
        rendered.body, rendered.subject, rendered.template_id, rendered.template_version,
        message_class=MessageClass.MARKETING, useful_until=message.useful_until,
        run_id=due.run_id, step_number=due.run.step_number,
    ))  # fmt: skip
    return Performed(
        StepOutcome.PLANNED, delivery_id=due.delivery_id, template_id=rendered.template_id
    )


async def _call_webhook(uow: UnitOfWork, due: DueStep, webhook: CallWebhook) -> Performed:
    ids = {
        "deliveryId": due.delivery_id, "runId": due.run_id, "leadId": due.lead_id,
        "workflowId": due.run.definition_id, "stepId": due.step.id,
    }  # fmt: skip
    content = {**{name: str(key) for name, key in ids.items()}, "content": webhook.content}
    await uow.execute(PlanDelivery(
        due.delivery_id, due.lead_id, DeliveryChannel.WEBHOOK, DeliveryPurpose.WORKFLOW,
        uow.scope.at, orjson.dumps(content).decode(), useful_until=webhook.useful_until,
        run_id=due.run_id, step_number=due.run.step_number, recipient=webhook.url,
    ))  # fmt: skip
    return Performed(StepOutcome.PLANNED, delivery_id=due.delivery_id)


async def _create_task(uow: UnitOfWork, due: DueStep, task: AddTask) -> UUID:
    agent_id = task.agent_id
    if agent_id is None:
        lead = await uow.load(leads.decider, due.lead_id)
        agent_id = lead.details.get(leads.AGENT)
    await _require_profile(uow, agent_id)
    notes = await _render(uow, due, task.notes) if task.notes else None
    await uow.execute(CreateTask(
        due.delivery_id, due.lead_id, await _render(uow, due, task.title), notes, task.due_at,
        agent_id, due.run_id, due.run.step_number,
    ))  # fmt: skip
    return due.delivery_id


async def _render(uow: UnitOfWork, due: DueStep, text: str) -> str:
    """Return a text for agents with its values. Raises `Refused` for a missing value."""
    draft = MessageDraft(MessageChannel.SMS, text)
    return (await render_message(uow, due.lead_id, draft, due.run.tour_id)).body


async def _require_profile(uow: UnitOfWork, agent_id: UUID | None) -> None:
    """Refuse an agent who is none (any more) here: the append would refuse the whole batch."""
    profiles = [] if agent_id is None else [agent_id]
    if await find_unknown_profiles(uow.conn, uow.scope.org_id, profiles):
        raise Refused("unknown_profile", f"{agent_id} is not a profile of this organisation", 400)
