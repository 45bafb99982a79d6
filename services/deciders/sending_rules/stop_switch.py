"""The rule of the stop switch: an operator has stopped all messages, or those of the property."""

from datetime import timedelta

from services.deciders.sending_rules.context import SendingContext
from services.deciders.sending_rules.rule_result import RuleResult, allow, hold

CODE = "stopped"
RECHECK = timedelta(minutes=10)
"""Time after which a held message is asked again; `crm delivery go` asks at once."""


def check_stop_switch(context: SendingContext) -> RuleResult:
    """Hold the message while a stop is in force."""
    stop = context.stop
    if stop is None:
        return allow(CODE)
    scope = "everything" if stop.is_global else "property"
    return hold(
        CODE, context.now + RECHECK, scope=scope, stopped_at=stop.at.isoformat(),
        reason=stop.reason,
    )  # fmt: skip
