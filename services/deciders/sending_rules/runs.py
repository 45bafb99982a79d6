"""The rule of the run: a step's message is not sent after the run ended, or while it is paused."""

from datetime import timedelta

from services.deciders.runs import LIVE, RunStatus
from services.deciders.sending_rules.context import SendingContext
from services.deciders.sending_rules.rule_result import RuleResult, allow, hold, skip

ENDED, PAUSED = "run_ended", "run_paused"
RECHECK = timedelta(minutes=1)


def check_run(context: SendingContext) -> RuleResult:
    """Skip the message of a run that was stopped or converted; hold that of a paused run.

    A run is completed when its last step is planned: its messages are still sent.
    """
    if context.run is None or context.run is RunStatus.COMPLETED:
        return allow(ENDED)
    if context.run not in LIVE:
        return skip(ENDED, f"the run is {context.run}", run=context.run.value)
    if context.run is RunStatus.PAUSED:
        return hold(PAUSED, context.now + RECHECK, run=context.run.value)
    return allow(ENDED, run=context.run.value)
