"""Merges on a real database: identification, ids of merged leads, and concurrent commands."""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.consents import ConsentChannel, ConsentWithdrawn, consent_id
from events.conversations import ConversationStarted
from events.leads import LeadNoted, LeadUpdated
from events.runs import RunEnrolled
from events.sessions import SessionIdentified, SessionStarted
from events.tours import TourCompleted
from services.application.command_handler import transact
from services.application.leads import capture_lead
from services.application.merge_redirect import redirect_command
from services.application.merges import merge, unmerge
from services.application.unit_of_work import UnitOfWork
from services.deciders import leads
from services.deciders.consents import RecordConsent
from services.deciders.decider import Refused
from services.deciders.engagements import RecordEngagement
from services.deciders.leads import CaptureLead, Details, NoteLead, UpdateLead
from services.deciders.sessions import IdentifySession
from services.deciders.tour_bookings import ScheduleTour
from services.deciders.tour_outcomes import CompleteTour
from tests.services.application.test_command_handler import AFTER_TOUR, WHEN, CommandHarness
from tests.stored_events import read_stored_events
from tests.world import make_world, read_parked_reasons

ADA, EVE = "ada@example.com", "eve@example.com"


@dataclass
class MergeHarness(CommandHarness):
    """Commands and merges in one property."""

    async def merge(self, loser: UUID, winner: UUID, reason: str | None = None) -> UUID:
        async def work(uow: UnitOfWork) -> UUID:
            return await merge(uow, loser, winner, reason=reason, by=None)

        return (await transact(self.world.pool, self.scope, work)).result

    async def unmerge(self, loser: UUID) -> UUID:
        async def work(uow: UnitOfWork) -> UUID:
            return await unmerge(uow, loser, reason=None, by=None)

        return (await transact(self.world.pool, self.scope, work)).result

    async def capture(self, session_lead: UUID | None = None, **details: str) -> UUID:
        async def work(uow: UnitOfWork) -> UUID:
            return await capture_lead(
                uow,
                Details(**details),  # type: ignore[arg-type]
                lead_id=uuid4(),
                session_lead=session_lead,
            )

        return (await transact(self.world.pool, self.scope, work)).result

    async def recorded_events(self, *event_types: str) -> list[tuple[str, UUID]]:
        """Return (event type, lead) of the events of leads, the oldest first."""
        async with self.world.pool.acquire() as conn:
            rows = await conn.fetch(
                "SELECT event_type, lead_id FROM crm_events WHERE lead_id IS NOT NULL "
                "AND (cardinality($1::text[]) = 0 OR event_type = ANY($1)) ORDER BY seq",
                list(event_types),
            )
        return [(row["event_type"], row["lead_id"]) for row in rows]

    async def last_payload(self) -> dict[str, Any]:
        payload: dict[str, Any] = (await read_stored_events(self.world.pool))[-1]["payload"]
        return payload


@pytest.fixture
async def harness(pool: asyncpg.Pool) -> MergeHarness:
    return MergeHarness(await make_world(pool))


async def make_merged_pair(harness: MergeHarness) -> tuple[UUID, UUID]:
    """Return a loser and the winner that it was merged into."""
    loser, winner = await harness.lead(email=ADA), await harness.lead(email=EVE)
    await harness.merge(loser, winner)
    return loser, winner


async def test_contact_details_of_the_loser_identify_the_winner_until_the_unmerge(
    harness: MergeHarness,
) -> None:
    loser, winner = (
        await harness.lead(email=ADA, phone="+12125550100"),
        await harness.lead(email=EVE),
    )
    await harness.merge(loser, winner)
    assert await harness.capture(email=ADA) == winner
    assert await harness.capture(phone="+12125550100") == winner
    assert await harness.capture(session_lead=loser) == winner
    assert await harness.capture(email=EVE) == winner
    await harness.unmerge(loser)
    assert await harness.capture(email=ADA) == loser
    assert await harness.capture(session_lead=loser) == loser
    assert await harness.capture(email=EVE) == winner


async def test_a_capture_with_the_address_of_the_loser_keeps_the_address_of_the_winner(
    harness: MergeHarness,
) -> None:
    _loser, winner = await make_merged_pair(harness)
    before = await harness.log()
    assert await harness.capture(email=ADA) == winner
    assert await harness.log() == before


async def test_only_the_winner_can_take_the_address_of_the_loser(
    harness: MergeHarness,
) -> None:
    loser, winner = await make_merged_pair(harness)
    stranger = await harness.lead()
    with pytest.raises(Refused) as caught:
        await harness.execute(UpdateLead(stranger, {"email": ADA}))
    assert caught.value.code == "claim_taken"
    await harness.execute(UpdateLead(winner, {"email": ADA}))
    await harness.execute(UpdateLead(loser, {"email": "new@example.com"}))
    assert (await harness.recorded_events("lead.updated"))[-1] == ("lead.updated", winner)
    await harness.unmerge(loser)
    assert await harness.capture(email=ADA) == loser
    assert await harness.capture(email="new@example.com") == winner


async def test_commands_with_the_id_of_the_loser_are_decided_for_the_winner(
    harness: MergeHarness,
) -> None:
    loser, winner = await make_merged_pair(harness)
    before = len(await harness.recorded_events())
    await harness.execute(NoteLead(loser, "rang"))
    await harness.execute(UpdateLead(loser, {"bedrooms": "2"}))
    await harness.execute(RecordEngagement(uuid4(), loser, "email_opened"))
    await harness.execute(
        RecordConsent(loser, ConsentChannel.SMS, False, "sms_reply", harness.world.now)
    )
    await harness.execute(CaptureLead(uuid4(), Details(first_name="Ada"), existing_lead=loser))
    await harness.tour(loser)
    appended = (await harness.recorded_events())[before:]
    assert len(appended) == 7
    assert {lead for _, lead in appended} == {winner}


async def test_a_tour_of_the_loser_keeps_its_lead_and_changes_the_status_of_the_winner(
    harness: MergeHarness,
) -> None:
    loser, winner = await harness.lead(email=ADA), await harness.lead(email=EVE)
    tour = await harness.tour(loser)
    await harness.merge(loser, winner)
    at, booked = harness.world.now, len(await harness.recorded_events())
    await harness.execute(ScheduleTour(tour, loser, at=at, when=WHEN, source="console"))
    assert len(await harness.recorded_events()) == booked, "a repeated booking changes nothing"
    await harness.execute(CompleteTour(tour, winner, at=AFTER_TOUR))
    assert (await harness.recorded_events())[booked:] == [
        ("tour.completed", loser), ("lead.status_changed", winner),
    ]  # fmt: skip
    await harness.unmerge(loser)
    with pytest.raises(Refused) as caught:
        await harness.execute(CompleteTour(tour, winner, at=AFTER_TOUR))
    assert caught.value.code == "not_this_lead"


async def test_a_tour_of_a_third_lead_belongs_to_neither(harness: MergeHarness) -> None:
    loser, winner = await make_merged_pair(harness)
    tour = await harness.tour(await harness.lead())
    for lead in (loser, winner):
        with pytest.raises(Refused) as caught:
            await harness.execute(CompleteTour(tour, lead, at=AFTER_TOUR))
        assert caught.value.code == "not_this_lead"


async def test_a_session_of_the_loser_keeps_its_lead_and_a_new_one_gets_the_winner(
    harness: MergeHarness,
) -> None:
    loser, winner = await harness.lead(email=ADA), await harness.lead(email=EVE)
    old, new, talk = uuid4(), uuid4(), uuid4()
    world = harness.world
    await world.append(
        world.new(SessionStarted(session_id=old)), world.new(SessionStarted(session_id=new)),
        world.new(SessionIdentified(session_id=old, lead_id=loser)),
        world.new(ConversationStarted(conversation_id=talk, session_id=old, lead_id=loser,
                                      channel="widget")),  # type: ignore[arg-type]
    )  # fmt: skip
    await harness.merge(loser, winner)
    before = len(await harness.recorded_events())
    await harness.execute(IdentifySession(old, winner, (talk,)))
    assert len(await harness.recorded_events()) == before, "the chat is not counted twice"
    await harness.execute(IdentifySession(new, loser))
    assert (await harness.recorded_events())[before:] == [("session.identified", winner)]


@dataclass(frozen=True)
class Stop:
    """A command about a run."""

    run_id: UUID
    lead_id: UUID


async def test_a_command_about_a_run_gets_the_lead_of_the_run_by_either_id(
    harness: MergeHarness,
) -> None:
    loser, winner = await harness.lead(email=ADA), await harness.lead(email=EVE)
    runs = {lead: uuid4() for lead in (loser, winner)}
    for lead, run in runs.items():
        await harness.world.append(
            harness.world.new(RunEnrolled(run_id=run, lead_id=lead, definition_id=uuid4(),
                                        trigger="t", definition_version=1, reentry_key="once"))
        )  # fmt: skip
    await harness.merge(loser, winner)
    stranger = await harness.lead()
    async with harness.world.pool.acquire() as conn:
        uow = UnitOfWork(conn, harness.scope, None)  # type: ignore[arg-type]
        for lead, run in runs.items():
            for requested in (loser, winner):
                assert await redirect_command(uow, Stop(run, requested)) == Stop(run, lead)
            assert await redirect_command(uow, Stop(run, stranger)) == Stop(run, stranger)
        new = uuid4()
        assert await redirect_command(uow, Stop(new, loser)) == Stop(new, winner)


async def test_a_chain_of_merges_leads_to_the_surviving_lead(
    harness: MergeHarness,
) -> None:
    first, second, third = [await harness.lead(email=f"{n}@example.com") for n in range(3)]
    assert await harness.merge(second, third) == third
    assert await harness.merge(first, second) == third
    assert (await harness.last_payload())["winner_id"] == str(third)
    with pytest.raises(Refused) as caught:
        await harness.merge(third, first)
    assert caught.value.code == "same_lead"
    assert await harness.capture(email="0@example.com") == third
    await harness.unmerge(second)
    assert await harness.capture(email="0@example.com") == third
    assert await harness.merge(third, second) == second
    assert await harness.capture(email="0@example.com") == second
    await harness.unmerge(third)
    assert await harness.capture(email="0@example.com") == third


async def test_a_merge_stops_the_runs_of_the_loser_and_keeps_its_withdrawn_consent(
    harness: MergeHarness,
) -> None:
    loser, winner = await harness.lead(email=ADA), await harness.lead(email=EVE)
    world, run = harness.world, uuid4()
    await world.append(
        world.new(RunEnrolled(run_id=run, lead_id=loser, definition_id=uuid4(), trigger="t",
                              definition_version=1, reentry_key="once")),
        world.new(RunEnrolled(run_id=uuid4(), lead_id=winner, definition_id=uuid4(), trigger="t",
                              definition_version=1, reentry_key="once")),
    )  # fmt: skip
    await harness.execute(RecordConsent(loser, ConsentChannel.SMS, False, "sms_reply", world.now))
    before = len(await harness.recorded_events())
    await harness.merge(loser, winner)
    assert (await harness.recorded_events())[before:] == [
        ("lead.merged", loser), ("consent.withdrawn", winner), ("run.stopped", loser),
    ]  # fmt: skip
    assert str(winner) in (await harness.last_payload())["reason"]


async def test_a_lead_of_another_property_is_not_found(pool: asyncpg.Pool) -> None:
    world = await make_world(pool, properties=2)
    harness, here, there = MergeHarness(world), uuid4(), uuid4()
    await world.append(
        world.new(world.captured(here)),
        world.new(world.captured(there), property_id=world.properties[1]),
    )
    for loser, winner in ((here, there), (there, here), (here, uuid4()), (uuid4(), here)):
        with pytest.raises(Refused) as caught:
            await harness.merge(loser, winner)
        assert (caught.value.code, caught.value.status) == ("unknown_subject", 404)


async def test_a_decided_event_about_the_loser_is_decided_for_the_winner_and_recognised_again(
    harness: MergeHarness,
) -> None:
    loser, winner = await harness.lead(email=ADA), await harness.lead(email=EVE)
    tour, second_tour = await harness.tour(loser), await harness.tour(winner)
    await harness.merge(loser, winner)
    harness.world.now = AFTER_TOUR
    sms, at = ConsentChannel.SMS, harness.world.now
    sent = [
        (LeadNoted(lead_id=loser, note="rang"), winner),
        (LeadUpdated(lead_id=loser, bedrooms="3"), winner),
        (TourCompleted(tour_id=tour, lead_id=loser), loser),
        (ConsentWithdrawn(consent_id=consent_id(loser, sms), lead_id=loser, channel=sms,
                          place="sms_reply", at=at), winner),
    ]  # fmt: skip
    keys = [uuid4() for _ in sent]
    for (event, decided), key in zip(sent, keys, strict=True):
        before = len(await harness.recorded_events())
        assert key in (await harness.send(event, key)).new
        assert (await harness.recorded_events())[before] == (event.name, decided)
    tour_of_winner = TourCompleted(tour_id=second_tour, lead_id=loser)
    assert (await harness.send(tour_of_winner)).new
    for is_unmerged in (False, True):
        if is_unmerged:
            await harness.unmerge(loser)
        for (event, _), key in zip(sent, keys, strict=True):
            assert (await harness.send(event, key)).duplicates == (key,)


async def test_of_concurrent_merges_in_both_directions_one_succeeds(harness: MergeHarness) -> None:
    for _ in range(4):
        left, right = await harness.lead(), await harness.lead()
        outcomes = await asyncio.gather(
            harness.merge(left, right),
            harness.merge(right, left),
            harness.merge(left, right),
            return_exceptions=True,
        )
        refused = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
        winners = {outcome for outcome in outcomes if isinstance(outcome, UUID)}
        assert len(winners) == 1, outcomes
        assert {outcome.code for outcome in refused} == {"same_lead"}
    assert len(await harness.recorded_events("lead.merged")) == 4


async def test_a_lead_that_is_merged_into_several_at_once_has_one_winner(
    harness: MergeHarness,
) -> None:
    loser, rivals = (
        await harness.lead(email=ADA),
        [await harness.lead() for _ in range(4)],
    )
    outcomes = await asyncio.gather(
        *(harness.merge(loser, rival) for rival in rivals), return_exceptions=True
    )
    (winner,) = [outcome for outcome in outcomes if isinstance(outcome, UUID)]
    assert {outcome.code for outcome in outcomes if isinstance(outcome, Refused)} == {
        "already_merged"
    }
    assert await harness.capture(email=ADA) == winner


@pytest.mark.parametrize("first", ["merge", "capture"])
async def test_a_capture_and_a_merge_at_once_have_the_result_of_a_sequence(
    harness: MergeHarness, first: str
) -> None:
    """Whichever is decided first, the other is decided again."""
    loser, winner = await harness.lead(email=ADA), await harness.lead(email=EVE)
    attempts: list[UnitOfWork] = []

    async def capturing(uow: UnitOfWork) -> UUID:
        lead_id = await capture_lead(uow, Details(email=ADA, bedrooms="4"), lead_id=uuid4())
        attempts.append(uow)
        if len(attempts) == 1 and first == "merge":
            await harness.merge(loser, winner)
        return lead_id

    async def merging(uow: UnitOfWork) -> UUID:
        survivor = await uow.surviving_lead(winner)
        state = await uow.load(leads.decider, loser)
        attempts.append(uow)
        if len(attempts) == 1:
            await harness.capture(email=ADA, bedrooms="4")
        assert state.exists
        return await merge(uow, loser, survivor, reason=None, by=None)

    work = capturing if first == "merge" else merging
    await transact(harness.world.pool, harness.scope, work)
    assert len(attempts) == 2, "it had a conflict and was decided again"
    updated = [lead for _, lead in await harness.recorded_events("lead.updated")]
    assert updated == ([winner] if first == "merge" else [loser, winner])
    assert await harness.capture(email=ADA) == winner


async def test_concurrent_captures_and_merges_leave_one_lead(
    harness: MergeHarness,
) -> None:
    """Seven commands: one that has a conflict with each of the others has an attempt left."""
    loser, winner = await harness.lead(email=ADA), await harness.lead(email=EVE)
    outcomes = await asyncio.gather(
        *(harness.capture(email=ADA, bedrooms=str(n)) for n in range(3)),
        harness.merge(loser, winner),
        *(harness.capture(email=ADA, bedrooms=str(n)) for n in range(3, 6)),
    )
    assert set(outcomes) <= {loser, winner}
    merged_at = [kind for kind, _ in await harness.recorded_events()].index("lead.merged")
    after = (await harness.recorded_events())[merged_at + 1 :]
    assert {lead for kind, lead in after if kind == "lead.updated"} <= {winner}
    await harness.world.project()
    assert await read_parked_reasons(harness.world.pool) == []
    assert await harness.world.count("leads WHERE merged_into IS NULL") == 1
