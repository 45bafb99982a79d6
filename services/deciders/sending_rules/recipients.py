"""The rule of the recipient: the lead needs a valid address on the channel of the message."""

import phonenumbers

from events.deliveries import DeliveryChannel
from services.deciders.sending_rules.context import SendingContext
from services.deciders.sending_rules.rule_result import RuleResult, allow, skip

CODE = "no_recipient"


def check_recipient(context: SendingContext) -> RuleResult:
    """Skip the message if there is no address any more, or one that cannot exist."""
    if not context.recipient:
        return skip(CODE, f"the lead has no address for {context.planned.channel} any more")
    if not context.planned.body:
        return skip("no_message", "the content was erased")
    if context.planned.channel is DeliveryChannel.SMS and not is_phone(context.recipient):
        return skip(CODE, "the phone number cannot exist")
    if context.planned.channel is DeliveryChannel.EMAIL and "@" not in context.recipient:
        return skip(CODE, "the e-mail address has no @")
    return allow(CODE)


def is_phone(number: str) -> bool:
    """Return whether a number in the form E.164 has a possible length for its country."""
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return False
