"""The numbers of the product's rules, each with its source.

Tests of behaviour often take a limit from the code, so they pass whatever the limit is. This table
states each number a second time: a change here is a change of a rule.
"""

from datetime import time, timedelta

import pytest

from events.engagements import ENGAGEMENT_WEIGHTS
from events.log import limits, secret_keys, shard
from projections.scoring import inputs, v1
from services.api import idempotency
from services.api.rate_limit import contacts as contacts_of_limits
from services.api.rate_limit import networks
from services.deciders import (
    dates,
    host_names,
    leads,
    local_time,
    names,
    slot_schedule,
    slot_times,
    slots,
    templates,
    visitor_limits,
)
from services.intake.settings import IntakeSettings
from services.retention import rules
from services.runtime import setting_types
from services.runtime.settings import Settings

INTAKE_RULES = "the rules of the intake"
PLAN = "the function score_lead of the plan"
WEIGHTS = "the engagement vocabulary and its default weights"
TOURS = "the rules of tours"
READS = "decision 41: a year, and a day for the difference of clocks"
RETENTION = "the answer to the plan's question about retention"
NETWORKS = "the rules of the rate limits"
LOG = "the limits of the event log"
DAY = 24 * 60 * 60 * 1_000_000
SETTINGS = Settings.model_fields
INTAKE = IntakeSettings.model_fields
VISITORS = visitor_limits.VisitorLimits()

CONSTANTS = {
    "buckets": (v1.BUCKETS, ((70, "hot"), (45, "warm"), (20, "cold")), PLAN),
    "engagement at most": (v1.ENGAGEMENT_CAP, 40, PLAN),
    "high engagement": (v1.HIGH_ENGAGEMENT, 20, PLAN),
    "engagement window": (inputs.WINDOW, 30 * DAY, PLAN),
    "ages": (v1.AGES, ((DAY, 15), (3 * DAY, 12), (7 * DAY, 8), (14 * DAY, 5)), PLAN),
    "points of an old lead": (v1.OLDEST, 2, PLAN),
    "sources": (
        v1.SOURCES,
        ((("referral",), 15), (("google",), 12), (("luma",), 10), (("facebook", "meta"), 8),
         (("website",), 8)),
        PLAN,
    ),
    "another source": (v1.OTHER_SOURCE, 5, PLAN),
    "weights": (
        {kind.value: weight for kind, weight in ENGAGEMENT_WEIGHTS.items()},
        {
            "chat_started": 5, "chat_message_sent": 3, "email_opened": 8, "email_clicked": 15,
            "sms_replied": 20, "tour_scheduled": 25, "tour_completed": 35, "tour_no_show": -25,
            "application_started": 30, "application_submitted": 40, "document_viewed": 10,
            "price_check": 12, "unit_favorited": 15, "repeat_visit": 10, "call_inbound": 20,
            "call_outbound_answered": 18, "website_lead_submitted": 10,
        },
        WEIGHTS,
    ),
    "a slot hold": (slots.HOLD, timedelta(minutes=10), TOURS),
    "the longest tour": (slot_times.LONGEST_MINUTES, 24 * 60, TOURS),
    "a tour without a setting": (slot_schedule.DEFAULT_MINUTES, 30, TOURS),
    "places of a slot without a setting": (slot_schedule.DEFAULT_CAPACITY, 1, TOURS),
    "tour hours without a setting": (slot_schedule.DEFAULT_HOURS, (time(9), time(17)), TOURS),
    "days that are offered": (slot_schedule.OFFERED_DAYS, 14, TOURS),
    "years of tours": ((local_time.EARLIEST_YEAR, local_time.LATEST_YEAR), (2000, 2100), TOURS),
    "holds of a visitor": (VISITORS.holds_per_visitor, 2, TOURS),
    "holds of a network": (VISITORS.holds_per_network, 10, TOURS),
    "tours of a contact": (VISITORS.tours_per_contact, 3, TOURS),
    "tours of a network": (VISITORS.tours_per_network, 20, TOURS),
    "percentage of held places": (VISITORS.held_percent, 25, TOURS),
    "held places at least": (visitor_limits.MIN_HELD_PLACES, 2, TOURS),
    "an idempotency key": (idempotency.RESULT_LIFETIME, timedelta(hours=24), "the rules of routes"),
    "an agent's same message": (
        idempotency.MESSAGE_WINDOW, timedelta(minutes=10), "the rules of routes",
    ),
    "a record without its subject": (INTAKE["wait_seconds"].default, 600, INTAKE_RULES),
    "pending records": (INTAKE["waiting_at_most"].default, 100_000, INTAKE_RULES),
    "a session token": (SETTINGS["session_token_hours"].default, 24, "the rules of the widget"),
    "a name": (names.MAX_NAME_CHARACTERS, 100, "the rules of identity"),
    "a note": (leads.MAX_NOTE_LENGTH, 20_000, "the rules of identity"),
    "a text that is a date": (dates.MAX_LENGTH, 200, "the rules of dates"),
    "an sms": (templates.SMS_CHARACTERS, 1_600, "the longest SMS that providers accept"),
    "proxies that are read": (networks.MAX_HOPS, 20, NETWORKS),
    "digits of a counted number": (contacts_of_limits.COMPARED_PHONE_DIGITS, 10, NETWORKS),
    "limits": (
        {name: SETTINGS[f"limit_{name}"].default for name in ("address", "visitor", "key")},
        {"address": "600/minute", "visitor": "120/minute", "key": "6000/minute"},
        NETWORKS,
    ),
    "retention": (
        rules.DEFAULT_DAYS,
        {
            "sessions_days": 90, "engagement_days": 2 * 365, "consents_days": 4 * 365 + 1,
            "dead_letters_days": 30, "reads_days": 3 * 365 + 1,
        },
        RETENTION,
    ),
    "retention of engagement at least": (rules.MIN_DAYS["engagement_days"], 31, PLAN),
    "retention of accounts of reads at least": (rules.MIN_DAYS["reads_days"], 366, READS),
    "shards": (shard.SHARDS, 64, LOG),
    "shards of settings": (setting_types.SHARDS, 64, LOG),
    "an event": (limits.MAX_EVENT_BYTES, 256 * 1024, LOG),
    "an event of the future": (limits.CLOCK_TOLERANCE, timedelta(minutes=2), LOG),
    "a secret key": (secret_keys.KEY_BYTES, 32, "RFC 2104 §3: as long as the digest of SHA-256"),
    "a label of a host": (host_names.MAX_LABEL_LENGTH, 63, "RFC 1035 §2.3.4"),
    "a host name": (host_names.MAX_LENGTH, 253, "RFC 1035 §2.3.4: 255 octets on the wire"),
}  # fmt: skip


@pytest.mark.parametrize("name", CONSTANTS)
def test_a_number_of_a_rule_is_as_its_source_states(name: str) -> None:
    value, expected, source = CONSTANTS[name]
    assert value == expected, source
