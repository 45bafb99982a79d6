"""The texts of the default templates of every property, inactive until they are reviewed.

They use only values that always exist (the property's name, the tour's time), because a missing
value stops a message: a lead that left only a phone number has no first name.
"""

from events.workflows import MessageChannel
from services.deciders.templates import TemplateContent


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
        "tour-change-sms", "Tour: change by text",
        "Your tour of {{property_name}} has moved to {{tour_date}} at {{tour_time}}. Reply here if "
        "that does not suit you, or STOP to opt out.",
    ),
    _email(
        "tour-change-email", "Tour: change by e-mail",
        "Your tour of {{property_name}} has moved to {{tour_date}}",
        "your tour of {{property_name}} has moved. It is now on {{tour_date}} at {{tour_time}}.",
        "If that does not suit you, reply to this message and we will find another time.",
    ),
    _sms(
        "tour-cancellation-sms", "Tour: cancellation by text",
        "Your tour of {{property_name}} on {{tour_date}} at {{tour_time}} is cancelled. Reply here "
        "if you would like another time, or STOP to opt out.",
    ),
    _email(
        "tour-cancellation-email", "Tour: cancellation by e-mail",
        "Your tour of {{property_name}} on {{tour_date}} is cancelled",
        "your tour of {{property_name}} on {{tour_date}} at {{tour_time}} is cancelled.",
        "If you would like another time, reply to this message and we will find one.",
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
