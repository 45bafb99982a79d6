"""The rule of frequency: a person gets few marketing messages a day, and a week."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from events.deliveries import DeliveryChannel, MessageClass
from services.deciders.sending_rules.context import SendingContext
from services.deciders.sending_rules.recipient_zones import find_zones
from services.deciders.sending_rules.rule_result import RuleResult, allow, hold, skip
from services.deciders.sending_rules.time_windows import begin_of_day

CODE = "frequency_cap"
WEEK_DAYS = 7


def check_frequency(context: SendingContext) -> RuleResult:
    """Hold a marketing message until a local day of the recipient that has room for it.

    A limit of 0 skips the message. A week is the current local day and the six days before it.
    """
    if context.message_class is not MessageClass.MARKETING or not context.is_to_lead:
        return allow(CODE)
    channel, rules = context.planned.channel, context.rules
    per_day = rules.sms_per_day if channel is DeliveryChannel.SMS else rules.emails_per_day
    if 0 in (per_day, rules.messages_per_week):
        return skip(CODE, f"the property sends no marketing messages by {channel}")
    zone = _zone_of_day(context)
    today = context.now.astimezone(zone).date()
    marketing = [sent for sent in context.sent if sent.message_class is MessageClass.MARKETING]
    of_channel = [_local_day(sent.at, zone) for sent in marketing if sent.channel is channel]
    of_all = sorted(_local_day(sent.at, zone) for sent in marketing)
    of_week = [day for day in of_all if day > today - timedelta(days=WEEK_DAYS)]
    sent_today = of_channel.count(today)
    values = {
        "zone": zone.key, "day": today.isoformat(), "sent_today": sent_today,
        "per_day": per_day, "sent_in_week": len(of_week), "per_week": rules.messages_per_week,
    }  # fmt: skip
    days = [today]
    if sent_today >= per_day:
        days.append(today + timedelta(days=1))
    if len(of_week) >= rules.messages_per_week:
        days.append(_day_with_room(of_week, rules.messages_per_week))
    day = max(days)
    return allow(CODE, **values) if day == today else hold(CODE, begin_of_day(day, zone), **values)


def _day_with_room(days: Sequence[date], per_week: int) -> date:
    """Return the day on which so many of these sorted days are over a week ago that one fits."""
    return days[len(days) - per_week] + timedelta(days=WEEK_DAYS)


def _zone_of_day(context: SendingContext) -> ZoneInfo:
    """Return the zone whose days count: the property's if the recipient may be there."""
    zones = find_zones(context).zones
    of_property = [zone for zone in zones if zone.key == context.property_zone]
    return (of_property or list(zones) or [ZoneInfo("UTC")])[0]


def _local_day(at: datetime, zone: ZoneInfo) -> date:
    return at.astimezone(zone).date()
