"""The catalog of the rules of sending, and the answer of all of them together."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from services.deciders.sending_rules.breakers import check_lead_breaker, check_property_breaker
from services.deciders.sending_rules.consents import check_consent
from services.deciders.sending_rules.context import SendingContext
from services.deciders.sending_rules.frequency_caps import check_frequency
from services.deciders.sending_rules.quiet_hours import check_quiet_hours
from services.deciders.sending_rules.recipients import check_recipient
from services.deciders.sending_rules.restrictions import check_restriction
from services.deciders.sending_rules.rule_result import RuleResult, Ruling
from services.deciders.sending_rules.runs import check_run
from services.deciders.sending_rules.stop_switch import check_stop_switch
from services.deciders.sending_rules.takeovers import check_takeover
from services.deciders.sending_rules.templates import check_template
from services.deciders.sending_rules.tours import check_tour
from services.deciders.sending_rules.usefulness import check_usefulness

Rule = Callable[[SendingContext], RuleResult]

RULES: tuple[Rule, ...] = (
    check_restriction,
    check_consent,
    check_run,
    check_tour,
    check_takeover,
    check_template,
    check_recipient,
    check_usefulness,
    check_frequency,
    check_quiet_hours,
    check_lead_breaker,
    check_property_breaker,
    check_stop_switch,
)
"""All rules. The first one that skips a message gives the reason."""


def judge(context: SendingContext) -> RuleResult:
    """Return whether the message may leave now, with the values of the rules by their codes.

    A message that a rule skips is skipped. Else the rule that holds it for the longest time gives
    the reason and the instant.
    """
    results = [rule(context) for rule in RULES]
    values: dict[str, Any] = {result.code: dict(result.values) for result in results
                              if result.values}  # fmt: skip
    for result in results:
        if result.ruling is Ruling.SKIP:
            return replace(result, values={result.code: dict(result.values)})
    held = [result for result in results if result.ruling is Ruling.HOLD]
    if not held:
        return RuleResult("allowed", Ruling.ALLOW, values)
    longest = max(held, key=lambda result: result.until or context.now)
    values = {result.code: dict(result.values) for result in held}
    return replace(longest, values=values, until=_next_lawful(context, longest))


def _next_lawful(context: SendingContext, longest: RuleResult) -> datetime:
    """Return when the other rules end their holds too: a cap ends at midnight, in quiet hours."""
    until = longest.until or context.now
    return check_quiet_hours(replace(context, now=until)).until or until
