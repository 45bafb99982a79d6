"""The rule of the circuit breakers: too many messages at once are a fault, not a wish.

While a breaker is open, messages are held, and those of the limit still leave.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from events.deliveries import DeliveryPurpose
from services.deciders.sending_rules.context import SendingContext
from services.deciders.sending_rules.rule_result import RuleResult, allow, hold

LEAD, PROPERTY = "lead_breaker", "property_breaker"
LEAD_TIME = timedelta(minutes=10)
MEAN_FACTOR = 3
"""An hour with more messages than this factor times the hourly mean opens the breaker."""
RECHECK = timedelta(minutes=5)


def check_lead_breaker(context: SendingContext) -> RuleResult:
    """Hold the message if the person has too many in ten minutes, planned or handed over.

    Messages of a conversation do not count: people write several short ones.
    """
    limit = context.rules.intents_per_lead
    if context.planned.purpose is DeliveryPurpose.CONVERSATION or not context.is_to_lead:
        return allow(LEAD)
    planned = _recent(context.traffic.planned_for_lead, context.now)
    claimed = _recent(context.traffic.claimed_for_lead, context.now)
    values = {"planned": len(planned), "handed_over": len(claimed), "limit": limit}
    untils = []
    if len(planned) > limit:
        untils.append(planned[len(planned) - limit - 1] + LEAD_TIME)
    if claimed and len(claimed) >= limit:
        untils.append(claimed[len(claimed) - max(limit, 1)] + LEAD_TIME)
    return hold(LEAD, max(untils), **values) if untils else allow(LEAD, **values)


def check_property_breaker(context: SendingContext) -> RuleResult:
    """Hold the message if the property has far more messages in this hour than usual."""
    if context.planned.purpose is DeliveryPurpose.CONVERSATION:
        return allow(PROPERTY)
    traffic = context.traffic
    limit = max(context.rules.intents_per_hour, round(MEAN_FACTOR * traffic.hourly_mean))
    values = {
        "planned": traffic.planned_in_hour, "handed_over": traffic.claimed_in_hour,
        "limit": limit, "hourly_mean": round(traffic.hourly_mean, 2),
    }  # fmt: skip
    if traffic.planned_in_hour > limit or traffic.claimed_in_hour >= limit:
        return hold(PROPERTY, context.now + RECHECK, **values)
    return allow(PROPERTY, **values)


def _recent(instants: Sequence[datetime], now: datetime) -> list[datetime]:
    return sorted(instant for instant in instants if instant > now - LEAD_TIME)
