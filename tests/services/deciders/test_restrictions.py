"""The decider of restrictions, and what a restricted lead means for other deciders."""

from dataclasses import replace
from uuid import uuid4

from events.deliveries import DeliveryPlanned, DeliveryPurpose, DeliverySkipped
from events.leads import LeadCaptured
from events.merges import LeadMerged, LeadUnmerged
from events.restrictions import LeadRestricted, LeadRestrictionLifted
from events.workflows import MessageChannel
from services.deciders.deliveries import PlanDelivery
from services.deciders.leads import UpdateLead
from services.deciders.restrictions import LiftRestriction, RestrictLead
from tests.services.deciders import test_enrolments, test_merges
from tests.services.deciders.given import given
from tests.services.deciders.test_merges import AGENT, LOSER, MERGE, UNMERGE, WINNER

LEAD = uuid4()
ADA = LeadCaptured(lead_id=LEAD, email="ada@example.com", phone="+12125550100")
RESTRICTED = LeadRestricted(lead_id=LEAD, reason="a dispute", restricted_by=AGENT)
LIFTED = LeadRestrictionLifted(lead_id=LEAD, reason="it is settled", lifted_by=AGENT)
RESTRICT = RestrictLead(LEAD, "a dispute", AGENT)
LIFT = LiftRestriction(LEAD, "it is settled", AGENT)


def test_a_restriction_and_its_end_are_events_with_reason_and_actor() -> None:
    given(ADA).when(RESTRICT).then(RESTRICTED)
    given(ADA, RESTRICTED).when(LIFT).then(LIFTED)
    given(ADA, RESTRICTED, LIFTED).when(RESTRICT).then(RESTRICTED)


def test_a_repetition_changes_nothing() -> None:
    given(ADA, RESTRICTED).when(RESTRICT).then()
    given(ADA).when(LIFT).then()


def test_an_unknown_lead_cannot_be_restricted() -> None:
    given().when(RESTRICT).refused("unknown_subject", 404)
    given().when(LIFT).refused("unknown_subject", 404)


def test_a_restricted_lead_can_be_corrected() -> None:
    given(ADA, RESTRICTED).when(UpdateLead(LEAD, {"first_name": "Ada"})).then(
        *given(ADA).when(UpdateLead(LEAD, {"first_name": "Ada"})).events
    )


def test_a_restricted_lead_starts_no_run() -> None:
    world = test_enrolments.world().events
    restricted = LeadRestricted(lead_id=test_enrolments.LEAD, reason="a dispute")
    lifted = LeadRestrictionLifted(lead_id=test_enrolments.LEAD, reason="it is settled")
    by_hand = replace(test_enrolments.ENROL, trigger="manual")
    for command in (test_enrolments.ENROL, by_hand):
        given(*world, restricted).when(command).refused("restricted", 409)
    given(*world, restricted, lifted).when(test_enrolments.ENROL).then(test_enrolments.enrolled())


def test_a_message_to_a_restricted_lead_is_skipped_with_the_reason() -> None:
    plan = PlanDelivery(
        uuid4(), LEAD, MessageChannel.SMS, DeliveryPurpose.MANUAL, test_enrolments.NOON, "Hi"
    )
    planned, skipped = given(ADA, RESTRICTED).when(plan).events
    assert isinstance(planned, DeliveryPlanned)
    assert isinstance(skipped, DeliverySkipped)
    assert skipped.reason == "restricted"


def test_a_merge_of_a_restricted_lead_restricts_the_winner_before_it() -> None:
    restricted = LeadRestricted(lead_id=LOSER, reason="a dispute")
    events = given(test_merges.ADA, test_merges.LACE, restricted).when(MERGE).events
    assert [type(event) for event in events[:2]] == [LeadRestricted, LeadMerged]
    assert events[0].stream_id == WINNER
    winner = LeadRestricted(lead_id=WINNER, reason="a dispute")
    for before in ((restricted, winner), (winner,), ()):
        events = given(test_merges.ADA, test_merges.LACE, *before).when(MERGE).events
        assert not any(isinstance(event, LeadRestricted) for event in events)


def test_an_unmerged_lead_is_restricted_as_the_person_was() -> None:
    merged = (test_merges.ADA, test_merges.LACE, test_merges.MERGED)
    winner = LeadRestricted(lead_id=WINNER, reason="a dispute")
    events = given(*merged, winner).when(UNMERGE).events
    assert [type(event) for event in events[:2]] == [LeadRestricted, LeadUnmerged]
    assert events[0].stream_id == LOSER
    loser = LeadRestricted(lead_id=LOSER, reason="a dispute")
    events = given(*merged, loser).when(UNMERGE).events
    assert [type(event) for event in events[:2]] == [LeadRestrictionLifted, LeadUnmerged]
    for before in ((), (loser, winner)):
        assert isinstance(given(*merged, *before).when(UNMERGE).events[0], LeadUnmerged)
