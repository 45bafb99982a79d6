"""The default workflows of every property, inactive until they are reviewed, and their ids."""

from typing import NamedTuple
from uuid import UUID, uuid5

from events.leads import LeadStatus
from events.workflows import Step, StepAction
from services.deciders.templates import DefineTemplate, TemplateContent
from services.deciders.workflows import DefineWorkflow, Trigger, WorkflowContent

REASON = "system default"
_NAMESPACE = UUID("b1f7c1de-1f0a-5e0b-9c36-0f7d4c2a9e51")
_SMS, _EMAIL = StepAction.SMS, StepAction.EMAIL
_FIVE_MINUTES = 5 / 60


class DefaultWorkflow(NamedTuple):
    """A default workflow with a key that never changes."""

    key: str
    content: WorkflowContent


def _step(name: str, action: StepAction, delay_hours: float, template_slug: str) -> Step:
    return Step(id=name, delay_hours=delay_hours, action=action, template_slug=template_slug)


WORKFLOWS = (
    DefaultWorkflow("new-lead-nurture", WorkflowContent(
        "New Lead Nurture", Trigger.LEAD_CREATED,
        (
            _step("welcome", _SMS, _FIVE_MINUTES, "new-lead-welcome"),
            _step("introduction", _EMAIL, 24.0, "new-lead-email"),
            _step("reminder", _SMS, 48.0, "new-lead-reminder"),
        ),
        (LeadStatus.TOUR_BOOKED, LeadStatus.LEASED, LeadStatus.LOST),
        "Welcomes a new lead and invites it to a tour.",
    )),
    DefaultWorkflow("tour-no-show-recovery", WorkflowContent(
        "Tour No-Show Recovery", Trigger.TOUR_NO_SHOW,
        (
            _step("follow-up", _SMS, 2.0, "tour-no-show-followup"),
            _step("another-day", _EMAIL, 24.0, "tour-no-show-email"),
        ),
        (LeadStatus.TOURED, LeadStatus.APPLIED, LeadStatus.LEASED, LeadStatus.LOST),
        "Offers another day to somebody who could not come.",
    )),
    DefaultWorkflow("post-tour-follow-up", WorkflowContent(
        "Post-Tour Follow-Up", Trigger.TOUR_COMPLETED,
        (
            _step("thanks", _SMS, 4.0, "post-tour-thanks"),
            _step("application", _EMAIL, 48.0, "post-tour-application"),
        ),
        (LeadStatus.APPLIED, LeadStatus.LEASED, LeadStatus.LOST),
        "Thanks for the visit and says how to apply.",
    )),
)  # fmt: skip


def definition_id(property_id: UUID, key: str) -> UUID:
    """Return the id of a property's copy of a default workflow."""
    return uuid5(_NAMESPACE, f"{property_id}/definition/{key}")


def template_id(property_id: UUID, slug: str) -> UUID:
    """Return the id of a property's copy of a default template."""
    return uuid5(_NAMESPACE, f"{property_id}/template/{slug}")


def default_workflow(property_id: UUID, default: DefaultWorkflow) -> DefineWorkflow:
    return DefineWorkflow(
        definition_id(property_id, default.key), default.content, seeded=True, change_reason=REASON
    )


def default_template(
    property_id: UUID, content: TemplateContent, slug_owner: UUID | None
) -> DefineTemplate:
    return DefineTemplate(
        template_id(property_id, content.slug), content, slug_owner, seeded=True,
        change_reason=REASON,
    )  # fmt: skip
