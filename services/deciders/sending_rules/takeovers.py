"""The rule of the takeover: no automatic message comes between a person and an agent."""

from datetime import timedelta

from events.deliveries import MessageClass
from services.deciders.sending_rules.context import SendingContext
from services.deciders.sending_rules.rule_result import RuleResult, allow, skip

CODE = "takeover"
MAX_CHARGE = timedelta(hours=24)
"""Time after which an agent who never gave the chat back is no longer in charge of it."""


def check_takeover(context: SendingContext) -> RuleResult:
    """Skip a marketing message if an agent took over a chat since the plan, or is in charge."""
    takeover = context.takeover
    if context.message_class is not MessageClass.MARKETING or takeover is None:
        return allow(CODE)
    values = {"taken_over_at": takeover.at.isoformat(), "is_in_charge": takeover.is_in_charge}
    is_later = takeover.at > context.planned_at
    if is_later or (takeover.is_in_charge and context.now < takeover.at + MAX_CHARGE):
        return skip(CODE, "an agent took over the conversation", **values)
    return allow(CODE, **values)
