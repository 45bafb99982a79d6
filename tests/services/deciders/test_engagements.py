"""Engagement, activities and consents: what may be reported about whom."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from events.consents import ConsentChannel, ConsentGiven, ConsentWithdrawn, consent_id
from events.engagements import (
    DERIVED_ENGAGEMENT,
    REPORTED_ACTIVITIES,
    ActivityRecorded,
    ActivityType,
    EngagementRecorded,
    EngagementType,
)
from events.leads import LeadCaptured
from services.deciders.consents import SayConsent
from services.deciders.engagements import RecordActivity, RecordEngagement
from tests.services.deciders.given import given

LEAD, KEY = uuid4(), uuid4()
ADA = LeadCaptured(lead_id=LEAD, email="ada@example.com")
AT = datetime(2026, 3, 1, tzinfo=UTC)


def test_an_engagement_has_its_weight_frozen_in() -> None:
    given(ADA).when(RecordEngagement(KEY, LEAD, "sms_replied", {"a": 1})).then(
        EngagementRecorded(engagement_id=KEY, lead_id=LEAD, event_type=EngagementType.SMS_REPLIED,
                           score_weight=20, metadata={"a": 1})
    )  # fmt: skip


@pytest.mark.parametrize("kind", sorted(DERIVED_ENGAGEMENT))
def test_what_follows_from_tours_and_chats_is_not_entered_by_hand(kind: EngagementType) -> None:
    given(ADA).when(RecordEngagement(KEY, LEAD, kind)).refused("derived_event_type", 400)


def test_an_unknown_kind_is_refused_before_the_lead_is_looked_for() -> None:
    given().when(RecordEngagement(KEY, LEAD, "sneezed")).refused("unknown_event_type", 400)
    given().when(RecordActivity(KEY, LEAD, "sneezed")).refused("unknown_activity_type", 400)


def test_nothing_is_recorded_about_a_lead_that_is_not_there() -> None:
    given().when(RecordEngagement(KEY, LEAD, "sms_replied")).refused("unknown_subject", 404)
    given().when(RecordActivity(KEY, LEAD, "note")).refused("unknown_subject", 404)
    given().when(SayConsent(LEAD, ConsentChannel.SMS, True, "x", AT)).refused("unknown_subject")


@pytest.mark.parametrize("kind", list(ActivityType))
def test_only_what_leaves_no_other_event_is_reported_as_an_activity(kind: ActivityType) -> None:
    asked = given(ADA).when(RecordActivity(KEY, LEAD, kind, "hi"))
    if kind in REPORTED_ACTIVITIES:
        asked.then(
            ActivityRecorded(
                activity_id=KEY, lead_id=LEAD, type=kind, description="hi", metadata={}
            )
        )
    else:
        asked.refused("derived_activity_type", 400)


def test_a_consent_said_twice_at_once_is_said_once() -> None:
    said = {"consent_id": consent_id(LEAD, ConsentChannel.SMS), "lead_id": LEAD,
            "channel": ConsentChannel.SMS, "place": "widget", "at": AT}  # fmt: skip
    given_, withdrawn = ConsentGiven.model_validate(said), ConsentWithdrawn.model_validate(said)
    yes = SayConsent(LEAD, ConsentChannel.SMS, True, "widget", AT)
    no = SayConsent(LEAD, ConsentChannel.SMS, False, "widget", AT)
    given(ADA).when(yes).then(given_)
    given(ADA, given_).when(yes).then()
    given(ADA, given_).when(no).then(withdrawn)
    given(ADA, given_, withdrawn).when(yes).then(given_)
