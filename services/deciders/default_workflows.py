"""The default workflows and templates of every property, inactive until they are reviewed.

The texts use only values that always exist (the property's name, the tour's time), because a
missing value stops a message: a lead that left only a phone number has no first name.
"""

from typing import NamedTuple
from uuid import UUID, uuid5

from events.leads import LeadStatus
from events.workflows import MessageChannel, Step, StepAction
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


def _sms(slug: str, name: str, body: str) -> TemplateContent:
    return TemplateContent(slug, name, MessageChannel.SMS, body, is_active=False)


def _email(slug: str, name: str, subject: str, *paragraphs: str) -> TemplateContent:
    body = "\n\n".join(["Hello,", *paragraphs, "The team at {{property_name}}"])
    return TemplateContent(slug, name, MessageChannel.EMAIL, body, subject, is_active=False)


TEMPLATES = (
    _sms(
        "new-lead-welcome", "New lead: welcome",
        "Hi, this is {{property_name}}. Thanks for getting in touch! Would you like to come by "
        "for a tour? Just reply with a day that suits you. Reply STOP to opt out.",
    ),
    _email(
        "new-lead-email", "New lead: introduction", "Welcome to {{property_name}}",
        "thank you for your interest in {{property_name}}. We are happy to answer any question "
        "you have about our homes, the neighborhood or the lease.",
        "The best way to get a feeling for the place is to see it. Reply to this message with a "
        "day and a time, and we will be glad to show you around.",
    ),
    _sms(
        "new-lead-reminder", "New lead: reminder",
        "Hi from {{property_name}}! We would still love to show you around. Is there a day this "
        "week that works for you? Reply STOP to opt out.",
    ),
    _sms(
        "tour-no-show-followup", "No-show: follow-up",
        "Hi, this is {{property_name}}. Sorry we missed you! Shall we find another time for "
        "your tour? Reply STOP to opt out.",
    ),
    _email(
        "tour-no-show-email", "No-show: another day", "Shall we find another time?",
        "it seems the time we had planned for your tour did not work out. That happens, and it "
        "is no trouble at all.",
        "Reply with a day and a time that suit you better, and we will be ready for you.",
    ),
    _sms(
        "post-tour-thanks", "After the tour: thanks",
        "Thank you for visiting {{property_name}}! If any question came up on the way home, "
        "just reply here. Reply STOP to opt out.",
    ),
    _email(
        "post-tour-application", "After the tour: application",
        "Your next step at {{property_name}}",
        "it was good to meet you. If you can picture yourself living here, applying is the next "
        "step, and it does not take long.",
        "Reply to this message and we will send you what you need, or talk through anything that "
        "is still open.",
    ),
    _sms(
        "tour-confirmation-sms", "Tour: confirmation by text",
        "Your tour of {{property_name}} is booked for {{tour_date}} at {{tour_time}}. We look "
        "forward to meeting you! Reply here if your plans change, or STOP to opt out.",
    ),
    _email(
        "tour-confirmation-email", "Tour: confirmation by e-mail",
        "Your tour of {{property_name}} on {{tour_date}}",
        "your tour of {{property_name}} is booked for {{tour_date}} at {{tour_time}}.",
        "If your plans change, reply to this message and we will find another time.",
    ),
    _sms(
        "tour-reminder-24h-sms", "Tour: reminder a day before, by text",
        "A reminder from {{property_name}}: your tour is on {{tour_date}} at {{tour_time}}. Does "
        "that still work for you? Reply STOP to opt out.",
    ),
    _email(
        "tour-reminder-24h-email", "Tour: reminder a day before, by e-mail",
        "See you on {{tour_date}}",
        "this is a friendly reminder of your tour of {{property_name}} on {{tour_date}} at "
        "{{tour_time}}.",
        "If something has come up, reply to this message and we will find another time.",
    ),
    _sms(
        "tour-reminder-1h-sms", "Tour: reminder an hour before, by text",
        "See you soon! Your tour of {{property_name}} starts at {{tour_time}}. Reply here if you "
        "are running late, or STOP to opt out.",
    ),
    _email(
        "tour-reminder-1h-email", "Tour: reminder an hour before, by e-mail",
        "Your tour starts at {{tour_time}}",
        "we are ready for your tour of {{property_name}} at {{tour_time}} today.",
        "If you are running late, reply to this message so that we can wait for you.",
    ),
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
