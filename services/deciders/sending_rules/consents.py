"""The rule of consent: a person who withdrew it gets no message on this channel."""

from events.deliveries import DeliveryChannel, MessageClass
from services.deciders.sending_rules.context import SendingContext
from services.deciders.sending_rules.rule_result import RuleResult, allow, skip

CODE = "no_consent"


def check_consent(context: SendingContext) -> RuleResult:
    """Skip the message if the person has withdrawn consent and not given it again since.

    The person may be several leads: merged ones, and others with the same contact. The contact
    itself may have opted out before there was a lead. A withdrawal by
    any of them counts until the message's own lead gives its consent again. A consent of another
    lead does not: whoever typed the contact there may be somebody else.
    """
    if not context.is_to_lead:
        return allow(CODE)
    withdrawn = [decision.at for decision in context.consents if not decision.given]
    given = [decision.at for decision in context.consents if decision.given and decision.is_own]
    if withdrawn and max(withdrawn) >= max(given, default=min(withdrawn)):
        at = max(withdrawn)
        return skip(CODE, f"withdrawn on {at.date().isoformat()}", withdrawn_at=at.isoformat())
    if not given and _needs_consent(context):
        return skip(CODE, "no consent to marketing SMS is recorded", consent="not asked")
    return allow(CODE, consent="given" if given else "not asked")


def _needs_consent(context: SendingContext) -> bool:
    """Return whether silence is not enough: marketing SMS, if the property asks for consent."""
    return (
        context.rules.sms_needs_consent
        and context.planned.channel is DeliveryChannel.SMS
        and context.message_class is MessageClass.MARKETING
    )
