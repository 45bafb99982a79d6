"""Each rule of sending alone: what it allows, holds and skips, and what it says about it."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from events.deliveries import DeliveryChannel, DeliveryPurpose, MessageClass
from events.tours import TourStatus
from events.workflows import MessageChannel
from services.deciders.runs import RunStatus
from services.deciders.sending_rules.breakers import check_lead_breaker, check_property_breaker
from services.deciders.sending_rules.catalog import RULES, Rule, judge
from services.deciders.sending_rules.consents import check_consent
from services.deciders.sending_rules.context import (
    ConsentDecision,
    SentMessage,
    StopSwitch,
    Takeover,
    Traffic,
)
from services.deciders.sending_rules.frequency_caps import check_frequency
from services.deciders.sending_rules.property_rules import PropertyRules, read_property_rules
from services.deciders.sending_rules.recipients import check_recipient
from services.deciders.sending_rules.restrictions import check_restriction
from services.deciders.sending_rules.rule_result import Ruling
from services.deciders.sending_rules.runs import check_run
from services.deciders.sending_rules.stop_switch import check_stop_switch
from services.deciders.sending_rules.takeovers import check_takeover
from services.deciders.sending_rules.templates import check_template
from services.deciders.sending_rules.tours import check_tour
from services.deciders.sending_rules.usefulness import check_usefulness
from services.deciders.templates import Template, TemplateContent
from services.deciders.tours import Tour
from tests.services.deciders.sending_rules.contexts import NOON, context

ALLOW, HOLD, SKIP = Ruling.ALLOW, Ruling.HOLD, Ruling.SKIP
BEFORE, AFTER = NOON - timedelta(hours=2), NOON - timedelta(hours=1)
WITHDRAWN, GIVEN = ConsentDecision(False, BEFORE), ConsentDecision(True, BEFORE)
MINUTE = timedelta(minutes=1)
EMAIL, SMS = DeliveryChannel.EMAIL, DeliveryChannel.SMS
MARKETING = MessageClass.MARKETING
STRICT = PropertyRules(sms_needs_consent=True)


def template(is_active: bool) -> Template:
    content = TemplateContent("a", "A", MessageChannel.SMS, "Hi", None, is_active)
    return Template(2, content)


def tour(status: TourStatus = TourStatus.SCHEDULED, revision: int = 1) -> dict[str, Any]:
    return {
        "purpose": DeliveryPurpose.TOUR_REMINDER_1H, "tour_revision": 1,
        "tour": Tour(status=status, revision=revision),
    }  # fmt: skip


CASES: list[tuple[Rule, dict[str, Any], Ruling, str]] = [
    (check_restriction, {}, ALLOW, "restricted"),
    (check_restriction, {"is_restricted": True}, SKIP, "restricted"),
    (check_consent, {}, ALLOW, "no_consent"),
    (check_consent, {"consents": [GIVEN]}, ALLOW, "no_consent"),
    (check_consent, {"consents": [WITHDRAWN]}, SKIP, "no_consent"),
    # The stricter decision of two merged leads counts, unless consent was given after it.
    (check_consent, {"consents": [GIVEN, WITHDRAWN]}, SKIP, "no_consent"),
    (check_consent, {"consents": [WITHDRAWN, ConsentDecision(True, AFTER)]}, ALLOW, "no_consent"),
    (check_consent, {"consents": [WITHDRAWN, ConsentDecision(True, AFTER, False)]}, SKIP,
     "no_consent"),
    (check_consent, {"consents": [GIVEN, ConsentDecision(False, AFTER, False)]}, SKIP,
     "no_consent"),
    (check_consent, {"consents": [GIVEN, ConsentDecision(False, AFTER)]}, SKIP, "no_consent"),
    (check_consent, {"consents": [WITHDRAWN], "message_class": MessageClass.TRANSACTIONAL}, SKIP,
     "no_consent"),
    (check_consent, {"consents": [WITHDRAWN], "purpose": DeliveryPurpose.TEST}, ALLOW,
     "no_consent"),
    # A property can demand evidence of consent: marketing SMS, and of the message's own lead.
    (check_consent, {"rules": STRICT}, SKIP, "no_consent"),
    (check_consent, {"rules": STRICT, "consents": [GIVEN]}, ALLOW, "no_consent"),
    (check_consent, {"rules": STRICT, "consents": [ConsentDecision(True, BEFORE, False)]}, SKIP,
     "no_consent"),
    (check_consent, {"rules": STRICT, "message_class": MessageClass.TRANSACTIONAL}, ALLOW,
     "no_consent"),
    (check_consent, {"rules": STRICT, "channel": DeliveryChannel.EMAIL}, ALLOW, "no_consent"),
    (check_run, {}, ALLOW, "run_ended"),
    (check_run, {"run": RunStatus.ACTIVE}, ALLOW, "run_ended"),
    (check_run, {"run": RunStatus.COMPLETED}, ALLOW, "run_ended"),
    (check_run, {"run": RunStatus.STOPPED}, SKIP, "run_ended"),
    (check_run, {"run": RunStatus.CONVERTED}, SKIP, "run_ended"),
    (check_run, {"run": RunStatus.PAUSED}, HOLD, "run_paused"),
    (check_tour, {}, ALLOW, "tour_changed"),
    (check_tour, tour(), ALLOW, "tour_changed"),
    (check_tour, tour(TourStatus.CONFIRMED), ALLOW, "tour_changed"),
    (check_tour, tour(revision=2), SKIP, "tour_moved"),
    *((check_tour, tour(status), SKIP, "tour_changed")
      for status in (TourStatus.CANCELLED, TourStatus.COMPLETED, TourStatus.NO_SHOW)),
    (check_tour, tour(TourStatus.CANCELLED) | {"purpose": DeliveryPurpose.TOUR_CANCELLATION}, ALLOW,
     "tour_changed"),
    (check_tour, tour(TourStatus.NO_SHOW) | {"purpose": DeliveryPurpose.WORKFLOW}, ALLOW,
     "tour_changed"),
    (check_takeover, {}, ALLOW, "takeover"),
    (check_takeover, {"takeover": Takeover(NOON, False)}, SKIP, "takeover"),
    (check_takeover, {"takeover": Takeover(BEFORE, False)}, ALLOW, "takeover"),
    (check_takeover, {"takeover": Takeover(BEFORE, True)}, SKIP, "takeover"),
    (check_takeover, {"takeover": Takeover(NOON - timedelta(days=1), True)}, ALLOW, "takeover"),
    (check_takeover, {"takeover": Takeover(NOON, True), "message_class": None}, ALLOW, "takeover"),
    (check_template, {}, ALLOW, "template_inactive"),
    (check_template, {"template": template(True)}, ALLOW, "template_inactive"),
    (check_template, {"template": template(False)}, SKIP, "template_inactive"),
    (check_template, {"template": Template()}, SKIP, "template_inactive"),
    (check_recipient, {}, ALLOW, "no_recipient"),
    (check_recipient, {"recipient": None}, SKIP, "no_recipient"),
    (check_recipient, {"recipient": "+1212"}, SKIP, "no_recipient"),
    (check_recipient, {"recipient": "ada"}, SKIP, "no_recipient"),
    (check_recipient, {"channel": EMAIL}, ALLOW, "no_recipient"),
    (check_recipient, {"channel": EMAIL, "recipient": "ada"}, SKIP, "no_recipient"),
    (check_recipient, {"body": None}, SKIP, "no_message"),
    (check_usefulness, {}, ALLOW, "too_late"),
    (check_usefulness, {"useful_until": NOON}, ALLOW, "too_late"),
    (check_usefulness, {"useful_until": NOON - MINUTE}, SKIP, "too_late"),
    (check_stop_switch, {}, ALLOW, "stopped"),
    (check_stop_switch, {"stop": StopSwitch(BEFORE, True, "x")}, HOLD, "stopped"),
    (check_stop_switch, {"stop": StopSwitch(BEFORE, False, "x"), "channel": DeliveryChannel.WEBHOOK,
                         "recipient": "https://example.com"}, HOLD, "stopped"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "more", "ruling", "code"), CASES)
def test_a_rule_answers_with_its_code(
    rule: Rule, more: dict[str, Any], ruling: Ruling, code: str
) -> None:
    result = rule(context(**more))
    assert (result.ruling, result.code) == (ruling, code)
    assert (result.until is not None) == (ruling is HOLD)
    assert (result.detail is not None) == (ruling is SKIP)


def test_every_rule_has_a_test() -> None:
    others = {"check_quiet_hours", "check_frequency", "check_lead_breaker",
              "check_property_breaker"}  # fmt: skip
    assert {rule.__name__ for rule, *_ in CASES} | others == {rule.__name__ for rule in RULES}


def sent(*days: float, channel: DeliveryChannel = SMS, kind: MessageClass = MARKETING) -> Any:
    """Return messages that left so many days ago."""
    return [SentMessage(NOON - timedelta(days=day), channel, kind) for day in days]


def local(day: int, hour: int = 0) -> datetime:
    """Return an hour of a day of March in New York, before the clock change."""
    return datetime(2026, 3, day, hour + 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("messages", "until"),
    [
        ([], None),
        (sent(0.1), None),
        (sent(0.1, 0.2), local(4)),
        # Yesterday evening is another local day, although it is less than a day ago.
        (sent(0.1, 0.6), None),
        (sent(0.1, 0.2, channel=EMAIL), None),
        (sent(0.1, 0.2, kind=MessageClass.TRANSACTIONAL), None),
        # Six in seven days: the oldest, of 25 February, leaves the week on 4 March.
        (sent(1, 1, 2, 3, 4, 6), local(4)),
        (sent(1, 1, 2, 3, 4, 7), None),
        (sent(1, 1, 2, 2, 3, 3), local(7)),
        (sent(1, 1, 2, channel=EMAIL) + sent(2, 3, 3), local(7)),
    ],
)  # fmt: skip
def test_marketing_messages_are_few_in_a_local_day_and_in_a_week(
    messages: Any, until: datetime | None
) -> None:
    result = check_frequency(context(sent=messages))
    assert (result.ruling, result.until) == (HOLD if until else ALLOW, until)
    assert check_frequency(context(sent=messages, message_class=None)).ruling is ALLOW


def test_the_day_of_the_recipient_counts_and_not_that_of_the_property() -> None:
    """At 7:30 UTC it is still yesterday in Los Angeles, and today in New York."""
    now = datetime(2026, 3, 4, 7, 30, tzinfo=UTC)
    of_yesterday = [SentMessage(now - timedelta(hours=12), SMS, MARKETING)] * 2
    for phone, ruling in (("+13105550123", HOLD), ("+12125550123", ALLOW)):
        assert check_frequency(context(now=now, lead_phone=phone, sent=of_yesterday)).ruling is (
            ruling
        )


@pytest.mark.parametrize("key", ["sms_per_day", "messages_per_week"])
def test_a_property_that_sends_no_marketing_messages_skips_them(key: str) -> None:
    rules = read_property_rules({"messaging": {key: 0}})
    assert check_frequency(context(rules=rules)).ruling is SKIP


@pytest.mark.parametrize(
    ("planned", "claimed", "until"),
    [
        ([1] * 5, [], None),
        ([1] * 6, [], 9),
        ([9, 1, 1, 1, 1, 1], [], 1),
        ([11] * 6, [], None),
        ([1], [3, 3, 3, 2, 2], 7),
        ([1], [11, 3, 3, 2, 2], None),
    ],
)
def test_too_many_messages_to_a_person_open_its_breaker(
    planned: list[int], claimed: list[int], until: int | None
) -> None:
    """All numbers are minutes: since the messages, and until the breaker has room again."""
    traffic = Traffic(
        [NOON - n * MINUTE for n in planned], [NOON - n * MINUTE for n in claimed]
    )  # fmt: skip
    result = check_lead_breaker(context(traffic=traffic))
    assert result.until == (None if until is None else NOON + until * MINUTE)
    chat = context(traffic=traffic, purpose=DeliveryPurpose.CONVERSATION)
    assert check_lead_breaker(chat).ruling is ALLOW


@pytest.mark.parametrize(
    ("planned", "claimed", "mean", "ruling"),
    [
        (300, 0, 0, ALLOW), (301, 0, 0, HOLD), (0, 299, 0, ALLOW), (0, 300, 0, HOLD),
        (900, 0, 300, ALLOW), (901, 0, 300, HOLD), (0, 900, 300, HOLD),
    ],
)  # fmt: skip
def test_far_more_messages_than_usual_open_the_breaker_of_the_property(
    planned: int, claimed: int, mean: float, ruling: Ruling
) -> None:
    traffic = Traffic(planned_in_hour=planned, claimed_in_hour=claimed, hourly_mean=mean)
    assert check_property_breaker(context(traffic=traffic)).ruling is ruling
    chat = context(traffic=traffic, purpose=DeliveryPurpose.CONVERSATION)
    assert check_property_breaker(chat).ruling is ALLOW


def test_a_message_that_is_held_and_skipped_is_skipped() -> None:
    stop = StopSwitch(BEFORE, True, "x")
    result = judge(context(stop=stop, consents=[WITHDRAWN]))
    assert (result.ruling, result.code) == (SKIP, "no_consent")
    assert result.values == {"no_consent": {"withdrawn_at": BEFORE.isoformat()}}


def test_the_longest_hold_gives_the_reason_and_ends_in_the_hours_of_sending() -> None:
    """The cap ends at midnight, in quiet hours; the message may leave at 8."""
    result = judge(context(sent=sent(0.1, 0.2), stop=StopSwitch(BEFORE, True, "x")))
    assert (result.ruling, result.code, result.until) == (HOLD, "frequency_cap", local(4, 8))
    assert set(result.values) == {"frequency_cap", "stopped"}


def test_an_allowed_message_has_the_values_of_all_rules() -> None:
    result = judge(context())
    assert (result.ruling, result.until) == (ALLOW, None)
    assert {"quiet_hours", "frequency_cap", "lead_breaker", "property_breaker"} <= set(
        result.values
    )
    assert result.values["quiet_hours"]["zones"] == ["America/New_York"]


SETTINGS: dict[str, tuple[Any, PropertyRules]] = {
    "none": ({}, PropertyRules()),
    "tighter": (
        {"send_from": "09:30", "send_until": "20:00", "email_quiet_hours": True,
         "sms_per_day": 1, "emails_per_day": 3, "messages_per_week": 4, "intents_per_lead": 2,
         "intents_per_hour": 9, "sms_needs_consent": True},
        PropertyRules(time(9, 30), time(20), True,
                      1, 3, 4, 2, 9, True),
    ),
    "wider": ({"send_from": "06:00", "send_until": "23:00"}, PropertyRules()),
    "empty": ({"send_from": "20:00", "send_until": "09:00"}, PropertyRules()),
    "wrong": (
        {"send_from": 9, "send_until": "soon", "email_quiet_hours": "yes", "sms_per_day": -1,
         "emails_per_day": True, "messages_per_week": "6", "intents_per_lead": 1e9,
         "sms_needs_consent": 1},
        PropertyRules(),
    ),
    "no object": ("yes", PropertyRules()),
}  # fmt: skip


@pytest.mark.parametrize(("stated", "expected"), SETTINGS.values(), ids=SETTINGS)
def test_a_property_can_tighten_the_limits_and_a_wrong_value_is_ignored(
    stated: Any, expected: PropertyRules
) -> None:
    assert read_property_rules({"messaging": stated}) == expected
