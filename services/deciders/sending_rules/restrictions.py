"""The rule of restrictions: a person whose data may not be used gets no message."""

from services.deciders.restrictions import RESTRICTED, WHY_RESTRICTED
from services.deciders.sending_rules.context import SendingContext
from services.deciders.sending_rules.rule_result import RuleResult, allow, skip


def check_restriction(context: SendingContext) -> RuleResult:
    """Skip the message of a restricted lead, also a webhook or a test with its values."""
    if context.is_restricted:
        return skip(RESTRICTED, WHY_RESTRICTED)
    return allow(RESTRICTED)
