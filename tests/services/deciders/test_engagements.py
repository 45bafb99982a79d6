"""The deciders of engagements, activities and consents."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from events.activities import REPORTED_ACTIVITIES, ActivityRecorded, ActivityType
from events.consents import ConsentChannel, ConsentGiven, ConsentWithdrawn, consent_id
from events.engagements import DERIVED_ENGAGEMENT, EngagementRecorded, EngagementType
from events.leads import ContactChannel, LeadCaptured, LeadContacted
from services.deciders.consents import RecordConsent
from services.deciders.decider import Refused
from services.deciders.engagements import RecordActivity, RecordEngagement
from tests.services.deciders.given import given

LEAD, KEY = uuid4(), uuid4()
ADA = LeadCaptured(lead_id=LEAD, email="ada@example.com")
CONTACTS = {
    ActivityType.CALL_MADE: ContactChannel.CALL,
    ActivityType.EMAIL_SENT: ContactChannel.EMAIL,
    ActivityType.SMS_SENT: ContactChannel.SMS,
}
AT = datetime(2026, 3, 1, tzinfo=UTC)


def test_an_engagement_stores_its_weight() -> None:
    given(ADA).when(RecordEngagement(KEY, LEAD, "sms_replied", {"a": 1})).then(
        EngagementRecorded(engagement_id=KEY, lead_id=LEAD, event_type=EngagementType.SMS_REPLIED,
                           score_weight=20, metadata={"a": 1})
    )  # fmt: skip


@pytest.mark.parametrize("kind", sorted(DERIVED_ENGAGEMENT))
def test_a_derived_engagement_cannot_be_recorded(kind: EngagementType) -> None:
    given(ADA).when(RecordEngagement(KEY, LEAD, kind)).refused("derived_event_type", 400)


def test_an_unknown_type_is_refused_before_an_unknown_lead() -> None:
    given().when(RecordEngagement(KEY, LEAD, "sneezed")).refused("unknown_event_type", 400)
    given().when(RecordActivity(KEY, LEAD, "sneezed")).refused("unknown_activity_type", 400)


@pytest.mark.parametrize("command", [
    RecordEngagement(KEY, LEAD, "x" * 61), RecordActivity(KEY, LEAD, "x" * 61),
], ids=lambda command: type(command).__name__)  # fmt: skip
def test_an_error_shows_the_first_sixty_characters_of_an_unknown_type(command: object) -> None:
    with pytest.raises(Refused, match=f"'{'x' * 60}' is not an"):
        _ = given(ADA).when(command).events


def test_nothing_is_recorded_about_an_unknown_lead() -> None:
    given().when(RecordEngagement(KEY, LEAD, "sms_replied")).refused("unknown_subject", 404)
    given().when(RecordActivity(KEY, LEAD, "note")).refused("unknown_subject", 404)
    given().when(RecordConsent(LEAD, ConsentChannel.SMS, True, "x", AT)).refused("unknown_subject")


@pytest.mark.parametrize("kind", list(ActivityType))
def test_a_derived_activity_cannot_be_recorded(kind: ActivityType) -> None:
    decision = given(ADA).when(RecordActivity(KEY, LEAD, kind, "hi"))
    if kind in REPORTED_ACTIVITIES:
        recorded = ActivityRecorded(
            activity_id=KEY, lead_id=LEAD, type=kind, description="hi", metadata={}
        )
        channel = CONTACTS.get(kind)
        contact = [LeadContacted(lead_id=LEAD, channel=channel)] if channel else []
        decision.then(recorded, *contact)
    else:
        decision.refused("derived_activity_type", 400)


def test_the_same_consent_of_the_same_instant_is_recorded_once() -> None:
    fields = {"consent_id": consent_id(LEAD, ConsentChannel.SMS), "lead_id": LEAD,
              "channel": ConsentChannel.SMS, "place": "widget", "at": AT}  # fmt: skip
    consent, withdrawn = (
        ConsentGiven.model_validate(fields),
        ConsentWithdrawn.model_validate(fields),
    )
    yes = RecordConsent(LEAD, ConsentChannel.SMS, True, "widget", AT)
    no = RecordConsent(LEAD, ConsentChannel.SMS, False, "widget", AT)
    given(ADA).when(yes).then(consent)
    given(ADA, consent).when(yes).then()
    given(ADA, consent).when(no).then(withdrawn)
    given(ADA, consent, withdrawn).when(yes).then(consent)
