"""The hours of sending: in every zone, at every clock change, whatever the zones' data say.

Source of the rule: 47 CFR 64.1200(c)(1), 8 to 21 h local time at the called party.
"""

import importlib.util
import shutil
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from events.deliveries import DeliveryChannel, DeliveryPurpose, MessageClass
from services.deciders.sending_rules.property_rules import read_property_rules
from services.deciders.sending_rules.quiet_hours import check_quiet_hours
from services.deciders.sending_rules.recipient_zones import find_zones
from services.deciders.sending_rules.rule_result import Ruling
from services.deciders.sending_rules.time_windows import find_opening
from tests.services.deciders.sending_rules.contexts import NOON, context

ALLOW, HOLD = Ruling.ALLOW, Ruling.HOLD
EMAIL = DeliveryChannel.EMAIL
EIGHT, NINE_PM = time(8), time(21)
YEAR = (datetime(2027, 12, 20, tzinfo=UTC), datetime(2029, 1, 5, tzinfo=UTC))
"""From before New Year 2028, over its leap day, to after New Year 2029."""
EIGHT_ZONES = {
    "America/New_York": "clock changes on Sundays at 2 h",
    "America/Phoenix": "no clock change, between zones that have them",
    "Australia/Lord_Howe": "a clock change of half an hour, in the south",
    "Europe/London": "its zero is UTC in winter only",
    "Asia/Kolkata": "half an hour off the full hours",
    "Pacific/Auckland": "the far side of the date line",
    "America/St_Johns": "half an hour off, with clock changes",
    "Africa/Cairo": "clock changes at midnight, so that some days begin at 1 h",
}
STEP = timedelta(minutes=47)


def walk() -> Iterator[datetime]:
    instant, end = YEAR
    while instant < end:
        yield instant
        instant += STEP


@pytest.mark.parametrize("zone", EIGHT_ZONES)
@pytest.mark.parametrize(
    "rules", [{}, {"send_from": "09:30", "send_until": "20:15"}], ids=["default", "tightened"]
)
def test_in_a_year_every_message_leaves_in_its_hours(zone: str, rules: dict[str, str]) -> None:
    """A message of every half hour of a year leaves at once or at the next opening, never else."""
    tz = ZoneInfo(zone)
    stated = read_property_rules({"messaging": rules})
    begin, end = stated.send_from, stated.send_until
    held = 0
    for now in walk():
        result = check_quiet_hours(context(now=now, rules=stated, lead_zone=zone))
        is_open = begin <= now.astimezone(tz).time() < end
        assert (result.ruling is ALLOW) == is_open, now
        if result.until is not None:
            held += 1
            opening = result.until.astimezone(tz)
            assert opening.time() == begin, (now, opening)
            assert timedelta() < result.until - now <= timedelta(hours=14, minutes=15)
            again = context(now=result.until, rules=stated, lead_zone=zone)
            assert check_quiet_hours(again).ruling is ALLOW
            shortly_before = result.until - timedelta(seconds=1)
            before = context(now=shortly_before, rules=stated, lead_zone=zone)
            assert check_quiet_hours(before).ruling is HOLD
    assert held > 4_500


def test_in_a_year_a_person_between_several_zones_is_in_the_hours_of_all_of_them() -> None:
    """A free number belongs to no place: all zones of North America count."""
    person = context(lead_phone="+18005550123")
    found = find_zones(person)
    assert found.source == "number"
    assert len(found.zones) > 20
    openings = 0
    for now in list(walk())[::7]:
        result = check_quiet_hours(context(now=now, lead_phone="+18005550123"))
        instant = result.until or now
        openings += result.ruling is ALLOW
        for zone in found.zones:
            assert EIGHT <= instant.astimezone(zone).time() < NINE_PM, (now, zone)
    assert openings > 100


ZONES: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "lead": ({"lead_zone": "Europe/Paris"}, ["Europe/Paris"], "lead"),
    "number": ({"lead_phone": "+13105550123"}, ["America/Los_Angeles"], "number"),
    "the lead's zone is unknown": (
        {"lead_zone": "Mars/Olympus", "lead_phone": "+13105550123"}, ["America/Los_Angeles"],
        "number",
    ),
    "a zone that is no place": (
        {"lead_zone": "EST", "lead_phone": "+13105550123"}, ["America/Los_Angeles"], "number",
    ),
    "two zones of an area": (
        {"lead_phone": "+12085550123"}, ["America/Boise", "America/Los_Angeles"], "number",
    ),
    "no number": ({"lead_phone": None}, ["America/New_York"], "property"),
    "a number of no country": ({"lead_phone": "+8005550123"}, ["America/New_York"], "property"),
    "a number that is none": ({"lead_phone": "+1"}, ["America/New_York"], "property"),
    "nothing": ({"lead_phone": None, "property_zone": None}, [], "none"),
}  # fmt: skip


@pytest.mark.parametrize(("more", "names", "source"), ZONES.values(), ids=ZONES)
def test_the_zone_is_that_of_the_lead_else_of_the_number_else_of_the_property(
    more: dict[str, Any], names: list[str], source: str
) -> None:
    found = find_zones(context(**more))
    assert (found.names, found.source) == (names, source)


def test_without_any_zone_the_message_waits_and_no_zone_is_guessed() -> None:
    result = check_quiet_hours(context(lead_phone=None, property_zone=None))
    assert (result.ruling, result.code) == (HOLD, "no_time_zone")


NIGHT = datetime(2026, 3, 3, 3, tzinfo=UTC)
"""22 h in New York."""
TRANSACTIONAL = MessageClass.TRANSACTIONAL


@pytest.mark.parametrize(
    ("more", "ruling"),
    [
        ({}, HOLD),
        ({"channel": EMAIL}, ALLOW),
        ({"channel": EMAIL, "rules": read_property_rules({"messaging": {}})}, ALLOW),
        (
            {"channel": EMAIL,
             "rules": read_property_rules({"messaging": {"email_quiet_hours": True}})},
            HOLD,
        ),
        ({"channel": DeliveryChannel.WEBHOOK}, ALLOW),
        ({"purpose": DeliveryPurpose.TEST}, ALLOW),
        ({"message_class": TRANSACTIONAL}, HOLD),
        ({"message_class": TRANSACTIONAL, "caused_at": NIGHT - timedelta(minutes=15)}, ALLOW),
        ({"message_class": TRANSACTIONAL, "caused_at": NIGHT - timedelta(minutes=16)}, HOLD),
        ({"message_class": TRANSACTIONAL, "caused_at": NIGHT + timedelta(minutes=1)}, HOLD),
        ({"message_class": MessageClass.MARKETING, "caused_at": NIGHT}, HOLD),
    ],
)  # fmt: skip
def test_at_night_only_the_answer_to_an_act_of_the_lead_leaves(
    more: dict[str, Any], ruling: Ruling
) -> None:
    assert check_quiet_hours(context(now=NIGHT, **more)).ruling is ruling


def test_the_values_say_what_was_compared_without_personal_data() -> None:
    values = dict(check_quiet_hours(context(lead_phone="+12085550123")).values)
    assert values == {
        "zones": ["America/Boise", "America/Los_Angeles"], "zone_source": "number",
        "send_from": "08:00", "send_until": "21:00",
        "local_times": ["2026-03-03T10:00:00-07:00", "2026-03-03T09:00:00-08:00"],
    }  # fmt: skip


def test_zones_without_common_hours_have_no_opening() -> None:
    zones = [ZoneInfo("Pacific/Auckland"), ZoneInfo("Europe/London")]
    assert find_opening(NOON, zones, time(9), time(17)) is None


@pytest.fixture
def zone_directory(tmp_path: Path) -> Iterator[Path]:
    """Let the IANA database be a copy that a test can update."""
    directory = tmp_path / "zoneinfo"
    spec = importlib.util.find_spec("tzdata")
    assert spec is not None
    assert spec.origin is not None
    shutil.copytree(Path(spec.origin).parent / "zoneinfo", directory)
    zoneinfo.reset_tzpath([str(directory)])
    ZoneInfo.clear_cache()
    yield directory
    zoneinfo.reset_tzpath()
    ZoneInfo.clear_cache()


@pytest.mark.parametrize(
    ("successor", "ruling", "until"),
    [
        # Two hours earlier than before: at the planned opening it is 6 h there.
        ("America/Denver", HOLD, datetime(2026, 3, 4, 15, tzinfo=UTC)),
        # Three hours later: at the planned opening it is 11 h there.
        ("America/Sao_Paulo", ALLOW, None),
    ],
)
def test_an_update_of_the_zones_between_plan_and_hand_over_counts(
    zone_directory: Path, successor: str, ruling: Ruling, until: datetime | None
) -> None:
    night = datetime(2026, 3, 4, 4, tzinfo=UTC)
    held = check_quiet_hours(context(now=night, lead_zone="America/New_York"))
    assert held.until == datetime(2026, 3, 4, 13, tzinfo=UTC)
    shutil.copy(zone_directory / successor, zone_directory / "America/New_York")
    ZoneInfo.clear_cache()  # the sender does this regularly
    again = check_quiet_hours(context(now=held.until, lead_zone="America/New_York"))
    assert (again.ruling, again.until) == (ruling, until)
