"""Merging on a real database: who is recognised, what old ids mean, and races."""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.chat import ConversationStarted, SessionIdentified, SessionStarted
from events.consents import ConsentChannel, ConsentWithdrawn, consent_id
from events.leads import LeadNoted, LeadUpdated
from events.runs import RunEnrolled
from events.tours import TourCompleted
from services.application.command_handler import transact
from services.application.leads import capture
from services.application.merge_redirect import addressed
from services.application.merges import merge, unmerge
from services.application.unit_of_work import UnitOfWork
from services.deciders.consents import SayConsent
from services.deciders.decider import Refused
from services.deciders.engagements import RecordEngagement
from services.deciders.leads import CaptureLead, Details, NoteLead, UpdateLead
from services.deciders.sessions import IdentifySession
from services.deciders.tour_bookings import ScheduleTour
from services.deciders.tour_outcomes import CompleteTour
from tests.services.application.test_command_handler import WHEN, Door
from tests.world import make_world, parked_reasons

ADA, EVE = "ada@example.com", "eve@example.com"


@dataclass
class HostProperty(Door):
    """The handler in one property, and merging in it."""

    async def merge(self, loser: UUID, winner: UUID, reason: str | None = None) -> UUID:
        async def work(uow: UnitOfWork) -> UUID:
            return await merge(uow, loser, winner, reason=reason, by=None)

        return (await transact(self.world.pool, self.scope, work)).result

    async def unmerge(self, loser: UUID) -> UUID:
        async def work(uow: UnitOfWork) -> UUID:
            return await unmerge(uow, loser, reason=None, by=None)

        return (await transact(self.world.pool, self.scope, work)).result

    async def captured(self, session_lead: UUID | None = None, **details: str) -> UUID:
        async def work(uow: UnitOfWork) -> UUID:
            said = Details(**details)  # type: ignore[arg-type]
            return await capture(uow, said, lead_id=uuid4(), session_lead=session_lead)

        return (await transact(self.world.pool, self.scope, work)).result

    async def recorded_events(self, *kinds: str) -> list[tuple[str, UUID]]:
        """Kind and lead of what was said of leads, oldest first."""
        async with self.world.pool.acquire() as conn:
            rows = await conn.fetch(
                "SELECT event_type, lead_id FROM crm_events WHERE lead_id IS NOT NULL "
                "AND (cardinality($1::text[]) = 0 OR event_type = ANY($1)) ORDER BY seq",
                list(kinds),
            )
        return [(row["event_type"], row["lead_id"]) for row in rows]

    async def last(self) -> dict[str, Any]:
        async with self.world.pool.acquire() as conn:
            row = await conn.fetchrow("SELECT payload FROM crm_events ORDER BY seq DESC LIMIT 1")
        assert row is not None
        found: dict[str, Any] = row["payload"]
        return found


@pytest.fixture
async def host_property(pool: asyncpg.Pool) -> HostProperty:
    return HostProperty(await make_world(pool))


async def pair(host_property: HostProperty) -> tuple[UUID, UUID]:
    """A loser and the winner it was merged into."""
    loser, winner = await host_property.lead(email=ADA), await host_property.lead(email=EVE)
    await host_property.merge(loser, winner)
    return loser, winner


async def test_whoever_is_known_by_the_loser_is_recognised_as_the_winner_until_it_is_unmerged(
    host_property: HostProperty,
) -> None:
    loser, winner = (
        await host_property.lead(email=ADA, phone="+12125550100"),
        await host_property.lead(email=EVE),
    )
    await host_property.merge(loser, winner)
    assert await host_property.captured(email=ADA) == winner
    assert await host_property.captured(phone="+12125550100") == winner
    assert await host_property.captured(session_lead=loser) == winner
    assert await host_property.captured(email=EVE) == winner
    await host_property.unmerge(loser)
    assert await host_property.captured(email=ADA) == loser
    assert await host_property.captured(session_lead=loser) == loser
    assert await host_property.captured(email=EVE) == winner


async def test_an_address_of_the_loser_does_not_replace_the_winner_s(
    host_property: HostProperty,
) -> None:
    _loser, winner = await pair(host_property)
    before = await host_property.log()
    assert await host_property.captured(email=ADA) == winner
    assert await host_property.log() == before


async def test_the_winner_may_take_the_loser_s_address_and_nobody_else(
    host_property: HostProperty,
) -> None:
    loser, winner = await pair(host_property)
    stranger = await host_property.lead()
    with pytest.raises(Refused) as caught:
        await host_property.do(UpdateLead(stranger, {"email": ADA}))
    assert caught.value.code == "claim_taken"
    await host_property.do(UpdateLead(winner, {"email": ADA}))
    await host_property.do(UpdateLead(loser, {"email": "new@example.com"}))
    assert (await host_property.recorded_events("lead.updated"))[-1] == ("lead.updated", winner)
    await host_property.unmerge(loser)
    assert await host_property.captured(email=ADA) == loser
    assert await host_property.captured(email="new@example.com") == winner


async def test_commands_on_the_loser_s_id_act_on_the_winner(host_property: HostProperty) -> None:
    loser, winner = await pair(host_property)
    before = len(await host_property.recorded_events())
    await host_property.do(NoteLead(loser, "rang"))
    await host_property.do(UpdateLead(loser, {"bedrooms": "2"}))
    await host_property.do(RecordEngagement(uuid4(), loser, "email_opened"))
    await host_property.do(
        SayConsent(loser, ConsentChannel.SMS, False, "sms_reply", host_property.world.now)
    )
    await host_property.do(CaptureLead(uuid4(), Details(first_name="Ada"), known=loser))
    await host_property.tour(loser)
    said = (await host_property.recorded_events())[before:]
    assert len(said) == 7
    assert {lead for _, lead in said} == {winner}


async def test_a_tour_of_the_loser_stays_its_own_and_moves_the_winner_on(
    host_property: HostProperty,
) -> None:
    loser, winner = await host_property.lead(email=ADA), await host_property.lead(email=EVE)
    tour = await host_property.tour(loser)
    await host_property.merge(loser, winner)
    at, booked = host_property.world.now, len(await host_property.recorded_events())
    await host_property.do(ScheduleTour(tour, loser, at=at, when=WHEN, source="console"))
    assert len(await host_property.recorded_events()) == booked, (
        "a repeat of the same booking is none"
    )
    await host_property.do(CompleteTour(tour, winner))
    assert (await host_property.recorded_events())[booked:] == [
        ("tour.completed", loser), ("lead.status_changed", winner),
    ]  # fmt: skip
    await host_property.unmerge(loser)
    with pytest.raises(Refused) as caught:
        await host_property.do(CompleteTour(tour, winner))
    assert caught.value.code == "not_this_lead"


async def test_a_tour_of_a_stranger_is_neither_s(host_property: HostProperty) -> None:
    loser, winner = await pair(host_property)
    tour = await host_property.tour(await host_property.lead())
    for lead in (loser, winner):
        with pytest.raises(Refused) as caught:
            await host_property.do(CompleteTour(tour, lead))
        assert caught.value.code == "not_this_lead"


async def test_a_session_of_the_loser_stays_its_own_and_a_new_one_is_the_winner_s(
    host_property: HostProperty,
) -> None:
    loser, winner = await host_property.lead(email=ADA), await host_property.lead(email=EVE)
    old, new, talk = uuid4(), uuid4(), uuid4()
    world = host_property.world
    await world.append(
        world.new(SessionStarted(session_id=old)), world.new(SessionStarted(session_id=new)),
        world.new(SessionIdentified(session_id=old, lead_id=loser)),
        world.new(ConversationStarted(conversation_id=talk, session_id=old, lead_id=loser,
                                      channel="widget")),  # type: ignore[arg-type]
    )  # fmt: skip
    await host_property.merge(loser, winner)
    before = len(await host_property.recorded_events())
    await host_property.do(IdentifySession(old, winner, (talk,)))
    assert len(await host_property.recorded_events()) == before, "its chat would be counted twice"
    await host_property.do(IdentifySession(new, loser))
    assert (await host_property.recorded_events())[before:] == [("session.identified", winner)]


@dataclass(frozen=True)
class Stop:
    """A command about a run, as they look."""

    run_id: UUID
    lead_id: UUID


async def test_a_run_of_the_loser_is_its_own_by_either_id(host_property: HostProperty) -> None:
    loser, winner = await host_property.lead(email=ADA), await host_property.lead(email=EVE)
    runs = {lead: uuid4() for lead in (loser, winner)}
    for lead, run in runs.items():
        await host_property.world.append(
            host_property.world.new(RunEnrolled(run_id=run, lead_id=lead, definition_id=uuid4(),
                                        trigger="t", definition_version=1, reentry_key="once"))
        )  # fmt: skip
    await host_property.merge(loser, winner)
    stranger = await host_property.lead()
    async with host_property.world.pool.acquire() as conn:
        uow = UnitOfWork(conn, host_property.scope, None)  # type: ignore[arg-type]
        for lead, run in runs.items():
            for named in (loser, winner):
                assert await addressed(uow, Stop(run, named)) == Stop(run, lead)
            assert await addressed(uow, Stop(run, stranger)) == Stop(run, stranger)
        new = uuid4()
        assert await addressed(uow, Stop(new, loser)) == Stop(new, winner)


async def test_chains_are_followed_and_a_loser_as_the_winner_stands_for_its_own(
    host_property: HostProperty,
) -> None:
    first, second, third = [await host_property.lead(email=f"{n}@example.com") for n in range(3)]
    assert await host_property.merge(second, third) == third
    assert await host_property.merge(first, second) == third
    assert (await host_property.last())["winner_id"] == str(third)
    with pytest.raises(Refused) as caught:
        await host_property.merge(third, first)
    assert caught.value.code == "same_lead"
    assert await host_property.captured(email="0@example.com") == third
    await host_property.unmerge(second)
    assert await host_property.captured(email="0@example.com") == third
    assert await host_property.merge(third, second) == second
    assert await host_property.captured(email="0@example.com") == second
    await host_property.unmerge(third)
    assert await host_property.captured(email="0@example.com") == third


async def test_the_loser_s_runs_stop_and_its_withdrawn_consent_holds(
    host_property: HostProperty,
) -> None:
    loser, winner = await host_property.lead(email=ADA), await host_property.lead(email=EVE)
    world, run = host_property.world, uuid4()
    await world.append(
        world.new(RunEnrolled(run_id=run, lead_id=loser, definition_id=uuid4(), trigger="t",
                              definition_version=1, reentry_key="once")),
        world.new(RunEnrolled(run_id=uuid4(), lead_id=winner, definition_id=uuid4(), trigger="t",
                              definition_version=1, reentry_key="once")),
    )  # fmt: skip
    await host_property.do(SayConsent(loser, ConsentChannel.SMS, False, "sms_reply", world.now))
    before = len(await host_property.recorded_events())
    await host_property.merge(loser, winner)
    assert (await host_property.recorded_events())[before:] == [
        ("lead.merged", loser), ("consent.withdrawn", winner), ("run.stopped", loser),
    ]  # fmt: skip
    assert str(winner) in (await host_property.last())["reason"]


async def test_another_property_s_lead_is_not_there(pool: asyncpg.Pool) -> None:
    world = await make_world(pool, properties=2)
    host_property, here, there = HostProperty(world), uuid4(), uuid4()
    await world.append(
        world.new(world.captured(here)),
        world.new(world.captured(there), property_id=world.properties[1]),
    )
    for loser, winner in ((here, there), (there, here)):
        with pytest.raises(Refused) as caught:
            await host_property.merge(loser, winner)
        assert (caught.value.code, caught.value.status) == ("wrong_property", 404)
    with pytest.raises(Refused) as caught:
        await host_property.merge(here, uuid4())
    assert (caught.value.code, caught.value.status) == ("unknown_subject", 404)


async def test_what_producers_say_of_the_loser_is_decided_for_the_winner_and_known_again(
    host_property: HostProperty,
) -> None:
    loser, winner = await host_property.lead(email=ADA), await host_property.lead(email=EVE)
    tour = await host_property.tour(loser)
    await host_property.merge(loser, winner)
    sms, at = ConsentChannel.SMS, host_property.world.now
    said = [
        (LeadNoted(lead_id=loser, note="rang"), winner),
        (LeadUpdated(lead_id=loser, bedrooms="3"), winner),
        (TourCompleted(tour_id=tour, lead_id=loser), loser),
        (ConsentWithdrawn(consent_id=consent_id(loser, sms), lead_id=loser, channel=sms,
                          place="sms_reply", at=at), winner),
    ]  # fmt: skip
    keys = [uuid4() for _ in said]
    for (event, decided), key in zip(said, keys, strict=True):
        before = len(await host_property.recorded_events())
        assert key in (await host_property.propose(event, key)).new
        assert (await host_property.recorded_events())[before] == (event.name, decided)
    named_winner = TourCompleted(tour_id=await host_property.tour(winner), lead_id=loser)
    assert (await host_property.propose(named_winner)).new
    for parted in (False, True):
        if parted:
            await host_property.unmerge(loser)
        for (event, _), key in zip(said, keys, strict=True):
            assert (await host_property.propose(event, key)).known == (key,)


async def test_who_merges_both_ways_at_once_merges_once(host_property: HostProperty) -> None:
    for _ in range(4):
        one, other = await host_property.lead(), await host_property.lead()
        outcomes = await asyncio.gather(
            host_property.merge(one, other),
            host_property.merge(other, one),
            host_property.merge(one, other),
            return_exceptions=True,
        )
        refused = [told for told in outcomes if isinstance(told, Refused)]
        won = {told for told in outcomes if isinstance(told, UUID)}
        assert len(won) == 1, outcomes
        assert {told.code for told in refused} == {"same_lead"}
    assert len(await host_property.recorded_events("lead.merged")) == 4


async def test_a_lead_merged_into_two_at_once_has_one_winner(host_property: HostProperty) -> None:
    loser, rivals = (
        await host_property.lead(email=ADA),
        [await host_property.lead() for _ in range(4)],
    )
    outcomes = await asyncio.gather(
        *(host_property.merge(loser, rival) for rival in rivals), return_exceptions=True
    )
    (won,) = [told for told in outcomes if isinstance(told, UUID)]
    assert {told.code for told in outcomes if isinstance(told, Refused)} == {"already_merged"}
    assert await host_property.captured(email=ADA) == won


@pytest.mark.parametrize("first", ["merge", "capture"])
async def test_a_capture_and_a_merge_at_once_are_as_one_after_the_other(
    host_property: HostProperty, first: str
) -> None:
    """Whichever is decided first, the other is decided again."""
    loser, winner = await host_property.lead(email=ADA), await host_property.lead(email=EVE)
    tries: list[UnitOfWork] = []

    async def capturing(uow: UnitOfWork) -> UUID:
        found = await capture(uow, Details(email=ADA, bedrooms="4"), lead_id=uuid4())
        tries.append(uow)
        if len(tries) == 1 and first == "merge":
            await host_property.merge(loser, winner)
        return found

    async def merging(uow: UnitOfWork) -> UUID:
        top = await uow.known_as(winner)
        held = await uow.state(UpdateLead(loser, {}))
        tries.append(uow)
        if len(tries) == 1:
            await host_property.captured(email=ADA, bedrooms="4")
        assert held.exists
        return await merge(uow, loser, top, reason=None, by=None)

    work = capturing if first == "merge" else merging
    await transact(host_property.world.pool, host_property.scope, work)
    assert len(tries) == 2, "the race was lost, and decided again"
    updated = [lead for _, lead in await host_property.recorded_events("lead.updated")]
    assert updated == ([winner] if first == "merge" else [loser, winner])
    assert await host_property.captured(email=ADA) == winner


async def test_captures_and_merges_all_at_once_leave_one_person(
    host_property: HostProperty,
) -> None:
    """Seven: who loses to each of the others has an attempt left."""
    loser, winner = await host_property.lead(email=ADA), await host_property.lead(email=EVE)
    outcomes = await asyncio.gather(
        *(host_property.captured(email=ADA, bedrooms=str(n)) for n in range(3)),
        host_property.merge(loser, winner),
        *(host_property.captured(email=ADA, bedrooms=str(n)) for n in range(3, 6)),
    )
    assert set(outcomes) <= {loser, winner}
    merged_at = [kind for kind, _ in await host_property.recorded_events()].index("lead.merged")
    after = (await host_property.recorded_events())[merged_at + 1 :]
    assert {lead for kind, lead in after if kind == "lead.updated"} <= {winner}
    await host_property.world.project()
    assert await parked_reasons(host_property.world.pool) == []
    assert await host_property.world.count("leads WHERE merged_into IS NULL") == 1
