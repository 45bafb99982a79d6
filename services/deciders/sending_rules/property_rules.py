"""The limits of a property for messages, from the key `messaging` of its settings.

A value that is wrong is ignored: the default holds. No value can widen the hours of sending.

| key | meaning | default |
| --- | --- | --- |
| `send_from`, `send_until` | local hours of sending, as `HH:MM` | 08:00, 21:00 |
| `email_quiet_hours` | whether the hours also hold for e-mails | false |
| `sms_per_day`, `emails_per_day` | marketing messages to a person and local day | 2, 2 |
| `messages_per_week` | marketing messages to a person in seven local days | 6 |
| `sms_needs_consent` | marketing SMS need consent (47 CFR 64.1200(a)(2)) | false |
| `intents_per_lead` | messages to a person in ten minutes | 5 |
| `intents_per_hour` | lowest number of messages of an hour that can be too many | 300 |
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from typing import Any

from services.deciders.local_time import parse_clock

KEY = "messaging"
EARLIEST, LATEST = time(8), time(21)
"""The widest hours in which a person may get messages (47 CFR 64.1200)."""
MAX_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class PropertyRules:
    """The limits of a property; each attribute has the name of its key."""

    send_from: time = EARLIEST
    send_until: time = LATEST
    email_quiet_hours: bool = False
    sms_per_day: int = 2
    emails_per_day: int = 2
    messages_per_week: int = 6
    intents_per_lead: int = 5
    intents_per_hour: int = 300
    sms_needs_consent: bool = False


def read_property_rules(settings: Mapping[str, Any]) -> PropertyRules:
    """Return the limits that the settings of a property state, and the defaults of the others."""
    stated = settings.get(KEY)
    values = stated if isinstance(stated, dict) else {}
    begin = max(parse_clock(values.get("send_from")) or EARLIEST, EARLIEST)
    end = min(parse_clock(values.get("send_until")) or LATEST, LATEST)
    if begin >= end:
        begin, end = EARLIEST, LATEST
    default = PropertyRules()
    return PropertyRules(
        begin,
        end,
        values.get("email_quiet_hours") is True,
        _limit(values, "sms_per_day", default.sms_per_day),
        _limit(values, "emails_per_day", default.emails_per_day),
        _limit(values, "messages_per_week", default.messages_per_week),
        _limit(values, "intents_per_lead", default.intents_per_lead),
        _limit(values, "intents_per_hour", default.intents_per_hour),
        values.get("sms_needs_consent") is True,
    )


def _limit(values: Mapping[str, Any], key: str, default: int) -> int:
    value = values.get(key)
    is_limit = type(value) is int and 0 <= value <= MAX_LIMIT
    return int(value) if is_limit else default  # type: ignore[arg-type]
