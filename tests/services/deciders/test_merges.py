"""The decider of merges: consequences, refusals and the unmerge."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from events.consents import ConsentChannel, ConsentGiven, ConsentWithdrawn, consent_id
from events.leads import LeadAssigned, LeadCaptured, LeadStatus, LeadUpdated, LeadZoneSet
from events.merges import LeadMerged, LeadUnmerged
from events.runs import RunCompleted, RunEnrolled, RunPaused, RunStopped
from services.deciders.leads import CaptureLead, Details
from services.deciders.merges import MergeLeads, UnmergeLead, decider
from tests.services.deciders.given import given

LOSER, WINNER, OTHER, AGENT = uuid4(), uuid4(), uuid4(), uuid4()
NOON = datetime(2027, 3, 1, 12, tzinfo=UTC)


def captured(lead_id: UUID, **details: object) -> LeadCaptured:
    return LeadCaptured.model_validate({"lead_id": lead_id, "status": LeadStatus.NEW, **details})


ADA = captured(LOSER, first_name="Ada", email="ada@example.com", phone="+12125550100")
LACE = captured(WINNER, last_name="Lovelace", email="lace@example.com", source="Google")
MERGED = LeadMerged(
    loser_id=LOSER, winner_id=WINNER, merged_by=AGENT, filled=("first_name", "phone")
)
MERGE = MergeLeads(LOSER, WINNER, NOON, merged_by=AGENT)
UNMERGE = UnmergeLead(LOSER, (WINNER,), NOON, unmerged_by=AGENT)
UNMERGED = LeadUnmerged(loser_id=LOSER, winner_id=WINNER, unmerged_by=AGENT)


def consent(
    lead_id: UUID, given: bool, channel: ConsentChannel = ConsentChannel.SMS
) -> ConsentGiven:
    kind = ConsentGiven if given else ConsentWithdrawn
    return kind(  # type: ignore[return-value]
        consent_id=consent_id(lead_id, channel), lead_id=lead_id, channel=channel,
        place="widget", at=NOON,
    )  # fmt: skip


def withdrawn(lead_id: UUID, text: str) -> ConsentWithdrawn:
    sms = ConsentChannel.SMS
    return ConsentWithdrawn(
        consent_id=consent_id(lead_id, sms), lead_id=lead_id, channel=sms, text=text,
        place="merge", at=NOON, recorded_by=AGENT,
    )  # fmt: skip


def enrolled(run_id: UUID) -> RunEnrolled:
    return RunEnrolled(
        run_id=run_id, lead_id=LOSER, definition_id=OTHER, definition_version=1,
        trigger="lead_created", reentry_key="once",
    )  # fmt: skip


def test_the_winner_takes_the_details_that_it_lacks() -> None:
    given(ADA, LACE).when(MERGE).then(
        MERGED,
        LeadUpdated(
            lead_id=WINNER,
            first_name="Ada",
            phone="+12125550100",
            phone_key="+12125550100",
            updated_by=AGENT,
        ),
    )


def test_the_winner_without_an_agent_takes_that_of_the_loser_until_an_unmerge() -> None:
    of_loser = LeadAssigned(lead_id=LOSER, assigned_agent_id=OTHER)
    merged = LeadMerged(
        loser_id=LOSER, winner_id=WINNER, merged_by=AGENT, filled=("assigned_agent_id",)
    )
    taken = LeadAssigned(lead_id=WINNER, assigned_agent_id=OTHER, assigned_by=AGENT)
    events = [captured(LOSER), captured(WINNER), of_loser]
    given(*events).when(MERGE).then(merged, taken)
    given(*events, merged, taken).when(UNMERGE).then(
        UNMERGED, LeadAssigned(lead_id=WINNER, assigned_agent_id=None, assigned_by=AGENT)
    )
    own = LeadAssigned(lead_id=WINNER, assigned_agent_id=AGENT)
    given(*events, own).when(MERGE).then(
        LeadMerged(loser_id=LOSER, winner_id=WINNER, merged_by=AGENT)
    )


def test_the_winner_without_a_time_zone_takes_that_of_the_loser_until_an_unmerge() -> None:
    of_loser = LeadZoneSet(lead_id=LOSER, lead_zone="America/Phoenix")
    merged = LeadMerged(loser_id=LOSER, winner_id=WINNER, merged_by=AGENT, filled=("time_zone",))
    taken = LeadZoneSet(lead_id=WINNER, lead_zone="America/Phoenix", set_by=AGENT)
    events = [captured(LOSER), captured(WINNER), of_loser]
    given(*events).when(MERGE).then(merged, taken)
    given(*events, merged, taken).when(UNMERGE).then(
        UNMERGED, LeadZoneSet(lead_id=WINNER, lead_zone=None, set_by=AGENT)
    )
    own = LeadZoneSet(lead_id=WINNER, lead_zone="America/Denver")
    given(*events, own).when(MERGE).then(
        LeadMerged(loser_id=LOSER, winner_id=WINNER, merged_by=AGENT)
    )


def test_the_stricter_consent_holds_with_its_reason() -> None:
    bare = [captured(LOSER), captured(WINNER)]
    plain = LeadMerged(loser_id=LOSER, winner_id=WINNER, merged_by=AGENT)
    reason = f"withdrawn by lead {LOSER}, which was merged into this one"
    for before in ([], [consent(WINNER, True)]):
        events = [*bare, consent(LOSER, False), *before]
        given(*events).when(MERGE).then(plain, withdrawn(WINNER, reason))
    for consents in ([consent(LOSER, True)], [consent(WINNER, False)],
                 [consent(LOSER, False), consent(WINNER, False)],
                 [consent(LOSER, False), consent(LOSER, True), consent(WINNER, True)]):  # fmt: skip
        given(*bare, *consents).when(MERGE).then(plain)


def test_only_live_runs_of_the_loser_are_stopped() -> None:
    live, paused, done = uuid4(), uuid4(), uuid4()
    events = [
        captured(LOSER), captured(WINNER), enrolled(live), enrolled(paused), enrolled(done),
        RunPaused(run_id=paused, lead_id=LOSER), RunCompleted(run_id=done, lead_id=LOSER),
    ]  # fmt: skip
    command = MergeLeads(LOSER, WINNER, NOON, (live, paused, done))
    given(*events).when(command).then(
        LeadMerged(loser_id=LOSER, winner_id=WINNER),
        *(
            RunStopped(
                run_id=run,
                lead_id=LOSER,
                code="merged",
                reason=f"the lead was merged into {WINNER}",
            )
            for run in (live, paused)
        ),
    )


def test_a_repeated_merge_changes_nothing_and_another_winner_is_refused() -> None:
    given(ADA, LACE, MERGED).when(MERGE).then()
    other = MergeLeads(LOSER, OTHER, NOON)
    given(ADA, LACE, captured(OTHER), MERGED).when(other).refused("already_merged", 409)


def test_a_lead_cannot_be_merged_into_itself_or_a_merged_or_an_unknown_lead() -> None:
    given(ADA).when(MergeLeads(LOSER, LOSER, NOON)).refused("same_lead", 409)
    given(ADA, LACE, MERGED).when(MergeLeads(WINNER, LOSER, NOON)).refused("already_merged", 409)
    given(ADA).when(MERGE).refused("unknown_subject", 404)
    given(LACE).when(MERGE).refused("unknown_subject", 404)


def test_an_unmerge_empties_the_details_that_were_filled_in_and_not_changed_since() -> None:
    filled = LeadUpdated(lead_id=WINNER, first_name="Ada", phone="+12125550100", updated_by=AGENT)
    given(ADA, LACE, MERGED, filled).when(UNMERGE).then(
        UNMERGED, LeadUpdated(lead_id=WINNER, first_name=None, phone=None, updated_by=AGENT)
    )
    renamed = LeadUpdated(lead_id=WINNER, first_name="Augusta")
    given(ADA, LACE, MERGED, filled, renamed).when(UNMERGE).then(
        UNMERGED, LeadUpdated(lead_id=WINNER, phone=None, updated_by=AGENT)
    )


def test_an_unmerge_empties_filled_details_of_the_whole_chain() -> None:
    onwards = LeadMerged(loser_id=WINNER, winner_id=OTHER, filled=("last_name", "first_name"))
    events = [
        ADA, LACE, captured(OTHER), MERGED, LeadUpdated(lead_id=WINNER, first_name="Ada"), onwards,
        LeadUpdated(lead_id=OTHER, first_name="Ada", last_name="Lovelace"),
    ]  # fmt: skip
    command = UnmergeLead(LOSER, (WINNER, OTHER), NOON)
    given(*events).when(command).then(
        LeadUnmerged(loser_id=LOSER, winner_id=WINNER),
        LeadUpdated(lead_id=WINNER, first_name=None),
        LeadUpdated(lead_id=OTHER, first_name=None),
    )


def test_a_consent_that_was_withdrawn_during_a_merge_is_withdrawn_for_both() -> None:
    events = [captured(LOSER), captured(WINNER), consent(LOSER, True),
             LeadMerged(loser_id=LOSER, winner_id=WINNER), consent(WINNER, False)]  # fmt: skip
    reason = f"withdrawn by lead {WINNER}, into which this one was merged"
    given(*events).when(UNMERGE).then(UNMERGED, withdrawn(LOSER, reason))


def test_an_unmerge_reads_the_consents_of_the_lead_and_of_the_surviving_one() -> None:
    read = decider.streams(UnmergeLead(LOSER, (WINNER, OTHER), NOON))
    leads = [stream.entity_id for stream in read if stream.entity_type == "lead"]
    consents = {stream.entity_id for stream in read if stream.entity_type == "consent"}
    assert leads == [LOSER, WINNER, OTHER]
    assert consents == {
        consent_id(key, channel) for key in (LOSER, OTHER) for channel in ConsentChannel
    }


def test_a_consent_that_the_surviving_lead_of_a_chain_withdrew_is_withdrawn_for_both() -> None:
    onwards = LeadMerged(loser_id=WINNER, winner_id=OTHER)
    events = [captured(LOSER), captured(WINNER), captured(OTHER),
              LeadMerged(loser_id=LOSER, winner_id=WINNER), onwards]  # fmt: skip
    command = UnmergeLead(LOSER, (WINNER, OTHER), NOON, unmerged_by=AGENT)
    reason = f"withdrawn by lead {OTHER}, into which this one was merged"
    given(*events, consent(OTHER, False)).when(command).then(UNMERGED, withdrawn(LOSER, reason))
    given(*events, consent(WINNER, False)).when(command).then(UNMERGED)


def test_a_lead_that_is_not_merged_cannot_be_unmerged() -> None:
    given(ADA, LACE).when(UNMERGE).refused("not_merged", 409)
    from_another = UnmergeLead(LOSER, (OTHER,), NOON)
    given(ADA, LACE, captured(OTHER), MERGED).when(from_another).refused("not_merged", 409)
    given(ADA, LACE, MERGED, UNMERGED).when(UNMERGE).refused("not_merged", 409)


def test_an_address_of_a_merged_lead_does_not_replace_that_of_the_winner() -> None:
    back = Details("Widget", "Ada", None, "ada@example.com", "+12125550199")
    given(LACE).when(CaptureLead(OTHER, back, existing_lead=WINNER)).then(
        LeadUpdated(
            lead_id=WINNER, first_name="Ada", phone="+12125550199", phone_key="+12125550199"
        )
    )
