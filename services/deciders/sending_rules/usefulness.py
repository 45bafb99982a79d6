"""The rule of usefulness: a message that comes too late is not sent."""

from services.deciders.sending_rules.context import SendingContext
from services.deciders.sending_rules.rule_result import RuleResult, allow, skip

CODE = "too_late"


def check_usefulness(context: SendingContext) -> RuleResult:
    """Skip the message after the instant until which it is useful."""
    until = context.planned.useful_until
    if until is None:
        return allow(CODE)
    values = {"useful_until": until.isoformat()}
    if context.now > until:
        return skip(CODE, f"useful until {until.isoformat()}", **values)
    return allow(CODE, **values)
