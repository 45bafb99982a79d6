"""The rule of quiet hours: a person gets messages in the daytime of the place where it is.

47 CFR 64.1200(c)(1) allows 8 to 21 h, local time at the called party. It holds for SMS always, and
for e-mails where the property says so.
"""

from datetime import timedelta

from events.deliveries import DeliveryChannel
from services.deciders.sending_rules.context import SendingContext
from services.deciders.sending_rules.recipient_zones import find_zones
from services.deciders.sending_rules.rule_result import RuleResult, allow, hold
from services.deciders.sending_rules.time_windows import find_opening

CODE, NO_ZONE = "quiet_hours", "no_time_zone"
ANSWER_TIME = timedelta(minutes=15)
"""Time after an act of the lead in which it expects the confirmation, also at night."""
RECHECK = timedelta(hours=1)


def check_quiet_hours(context: SendingContext) -> RuleResult:
    """Hold the message until the hours of sending, in all zones where the recipient may be."""
    rules = context.rules
    is_email = context.planned.channel is DeliveryChannel.EMAIL
    if not context.is_to_lead or (is_email and not rules.email_quiet_hours):
        return allow(CODE)
    if context.is_answer(ANSWER_TIME):
        return allow(CODE, answers_act_of=str(context.planned.caused_at))
    found = find_zones(context)
    if not found.zones:
        # The zone is never guessed. An operator sets that of the property.
        return hold(NO_ZONE, context.now + RECHECK, zone_source=found.source)
    values = {
        "zones": found.names, "zone_source": found.source,
        "send_from": f"{rules.send_from:%H:%M}", "send_until": f"{rules.send_until:%H:%M}",
        "local_times": [context.now.astimezone(zone).isoformat() for zone in found.zones],
    }  # fmt: skip
    opening = find_opening(context.now, found.zones, rules.send_from, rules.send_until)
    if opening is None:
        return hold(CODE, context.now + RECHECK, **values)
    return allow(CODE, **values) if opening <= context.now else hold(CODE, opening, **values)
