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
from services.application.unit_of_work import Unit
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
class House(Door):
    """The handler in one property, and merging in it."""

    async def merge(self, loser: UUID, winner: UUID, reason: str | None = None) -> UUID:
        async def work(unit: Unit) -> UUID:
            return await merge(unit, loser, winner, reason=reason, by=None)

        return (await transact(self.world.pool, self.scope, work)).result

    async def unmerge(self, loser: UUID) -> UUID:
        async def work(unit: Unit) -> UUID:
            return await unmerge(unit, loser, reason=None, by=None)

        return (await transact(self.world.pool, self.scope, work)).result

    async def captured(self, session_lead: UUID | None = None, **details: str) -> UUID:
        async def work(unit: Unit) -> UUID:
            said = Details(**details)  # type: ignore[arg-type]
            return await capture(unit, said, lead_id=uuid4(), session_lead=session_lead)

        return (await transact(self.world.pool, self.scope, work)).result

    async def facts(self, *kinds: str) -> list[tuple[str, UUID]]:
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
async def house(pool: asyncpg.Pool) -> House:
    return House(await make_world(pool))


async def pair(house: House) -> tuple[UUID, UUID]:
    """A loser and the winner it was merged into."""
    loser, winner = await house.lead(email=ADA), await house.lead(email=EVE)
    await house.merge(loser, winner)
    return loser, winner


async def test_whoever_is_known_by_the_loser_is_recognised_as_the_winner_until_it_is_unmerged(
    house: House,
) -> None:
    loser, winner = await house.lead(email=ADA, phone="+12125550100"), await house.lead(email=EVE)
    await house.merge(loser, winner)
    assert await house.captured(email=ADA) == winner
    assert await house.captured(phone="+12125550100") == winner
    assert await house.captured(session_lead=loser) == winner
    assert await house.captured(email=EVE) == winner
    await house.unmerge(loser)
    assert await house.captured(email=ADA) == loser
    assert await house.captured(session_lead=loser) == loser
    assert await house.captured(email=EVE) == winner


async def test_an_address_of_the_loser_does_not_replace_the_winner_s(house: House) -> None:
    _loser, winner = await pair(house)
    before = await house.log()
    assert await house.captured(email=ADA) == winner
    assert await house.log() == before


async def test_the_winner_may_take_the_loser_s_address_and_nobody_else(house: House) -> None:
    loser, winner = await pair(house)
    stranger = await house.lead()
    with pytest.raises(Refused) as caught:
        await house.do(UpdateLead(stranger, {"email": ADA}))
    assert caught.value.code == "claim_taken"
    await house.do(UpdateLead(winner, {"email": ADA}))
    await house.do(UpdateLead(loser, {"email": "new@example.com"}))
    assert (await house.facts("lead.updated"))[-1] == ("lead.updated", winner)
    await house.unmerge(loser)
    assert await house.captured(email=ADA) == loser
    assert await house.captured(email="new@example.com") == winner


async def test_commands_on_the_loser_s_id_act_on_the_winner(house: House) -> None:
    loser, winner = await pair(house)
    before = len(await house.facts())
    await house.do(NoteLead(loser, "rang"))
    await house.do(UpdateLead(loser, {"bedrooms": "2"}))
    await house.do(RecordEngagement(uuid4(), loser, "email_opened"))
    await house.do(SayConsent(loser, ConsentChannel.SMS, False, "sms_reply", house.world.now))
    await house.do(CaptureLead(uuid4(), Details(first_name="Ada"), known=loser))
    await house.tour(loser)
    said = (await house.facts())[before:]
    assert len(said) == 7
    assert {lead for _, lead in said} == {winner}


async def test_a_tour_of_the_loser_stays_its_own_and_moves_the_winner_on(house: House) -> None:
    loser, winner = await house.lead(email=ADA), await house.lead(email=EVE)
    tour = await house.tour(loser)
    await house.merge(loser, winner)
    at, booked = house.world.now, len(await house.facts())
    await house.do(ScheduleTour(tour, loser, at=at, when=WHEN, source="console"))
    assert len(await house.facts()) == booked, "a repeat of the same booking is none"
    await house.do(CompleteTour(tour, winner))
    assert (await house.facts())[booked:] == [
        ("tour.completed", loser), ("lead.status_changed", winner),
    ]  # fmt: skip
    await house.unmerge(loser)
    with pytest.raises(Refused) as caught:
        await house.do(CompleteTour(tour, winner))
    assert caught.value.code == "not_this_lead"


async def test_a_tour_of_a_stranger_is_neither_s(house: House) -> None:
    loser, winner = await pair(house)
    tour = await house.tour(await house.lead())
    for lead in (loser, winner):
        with pytest.raises(Refused) as caught:
            await house.do(CompleteTour(tour, lead))
        assert caught.value.code == "not_this_lead"


async def test_a_session_of_the_loser_stays_its_own_and_a_new_one_is_the_winner_s(
    house: House,
) -> None:
    loser, winner = await house.lead(email=ADA), await house.lead(email=EVE)
    old, new, talk = uuid4(), uuid4(), uuid4()
    world = house.world
    await world.append(
        world.new(SessionStarted(session_id=old)), world.new(SessionStarted(session_id=new)),
        world.new(SessionIdentified(session_id=old, lead_id=loser)),
        world.new(ConversationStarted(conversation_id=talk, session_id=old, lead_id=loser,
                                      channel="widget")),  # type: ignore[arg-type]
    )  # fmt: skip
    await house.merge(loser, winner)
    before = len(await house.facts())
    await house.do(IdentifySession(old, winner, (talk,)))
    assert len(await house.facts()) == before, "its chat would be counted twice"
    await house.do(IdentifySession(new, loser))
    assert (await house.facts())[before:] == [("session.identified", winner)]


@dataclass(frozen=True)
class Stop:
    """A command about a run, as they look."""

    run_id: UUID
    lead_id: UUID


async def test_a_run_of_the_loser_is_its_own_by_either_id(house: House) -> None:
    loser, winner = await house.lead(email=ADA), await house.lead(email=EVE)
    runs = {lead: uuid4() for lead in (loser, winner)}
    for lead, run in runs.items():
        await house.world.append(
            house.world.new(RunEnrolled(run_id=run, lead_id=lead, definition_id=uuid4(),
                                        trigger="t", definition_version=1, reentry_key="once"))
        )  # fmt: skip
    await house.merge(loser, winner)
    stranger = await house.lead()
    async with house.world.pool.acquire() as conn:
        unit = Unit(conn, house.scope, None)  # type: ignore[arg-type]
        for lead, run in runs.items():
            for named in (loser, winner):
                assert await addressed(unit, Stop(run, named)) == Stop(run, lead)
            assert await addressed(unit, Stop(run, stranger)) == Stop(run, stranger)
        new = uuid4()
        assert await addressed(unit, Stop(new, loser)) == Stop(new, winner)


async def test_chains_are_followed_and_a_loser_as_the_winner_stands_for_its_own(
    house: House,
) -> None:
    first, second, third = [await house.lead(email=f"{n}@example.com") for n in range(3)]
    assert await house.merge(second, third) == third
    assert await house.merge(first, second) == third
    assert (await house.last())["winner_id"] == str(third)
    with pytest.raises(Refused) as caught:
        await house.merge(third, first)
    assert caught.value.code == "same_lead"
    assert await house.captured(email="0@example.com") == third
    await house.unmerge(second)
    assert await house.captured(email="0@example.com") == third
    assert await house.merge(third, second) == second
    assert await house.captured(email="0@example.com") == second
    await house.unmerge(third)
    assert await house.captured(email="0@example.com") == third


async def test_the_loser_s_runs_stop_and_its_withdrawn_consent_holds(house: House) -> None:
    loser, winner = await house.lead(email=ADA), await house.lead(email=EVE)
    world, run = house.world, uuid4()
    await world.append(
        world.new(RunEnrolled(run_id=run, lead_id=loser, definition_id=uuid4(), trigger="t",
                              definition_version=1, reentry_key="once")),
        world.new(RunEnrolled(run_id=uuid4(), lead_id=winner, definition_id=uuid4(), trigger="t",
                              definition_version=1, reentry_key="once")),
    )  # fmt: skip
    await house.do(SayConsent(loser, ConsentChannel.SMS, False, "sms_reply", world.now))
    before = len(await house.facts())
    await house.merge(loser, winner)
    assert (await house.facts())[before:] == [
        ("lead.merged", loser), ("consent.withdrawn", winner), ("run.stopped", loser),
    ]  # fmt: skip
    assert str(winner) in (await house.last())["reason"]


async def test_another_property_s_lead_is_not_there(pool: asyncpg.Pool) -> None:
    world = await make_world(pool, properties=2)
    house, here, there = House(world), uuid4(), uuid4()
    await world.append(
        world.new(world.captured(here)),
        world.new(world.captured(there), property_id=world.properties[1]),
    )
    for loser, winner in ((here, there), (there, here)):
        with pytest.raises(Refused) as caught:
            await house.merge(loser, winner)
        assert (caught.value.code, caught.value.status) == ("wrong_property", 404)
    with pytest.raises(Refused) as caught:
        await house.merge(here, uuid4())
    assert (caught.value.code, caught.value.status) == ("unknown_subject", 404)


async def test_what_producers_say_of_the_loser_is_decided_for_the_winner_and_known_again(
    house: House,
) -> None:
    loser, winner = await house.lead(email=ADA), await house.lead(email=EVE)
    tour = await house.tour(loser)
    await house.merge(loser, winner)
    sms, at = ConsentChannel.SMS, house.world.now
    said = [
        (LeadNoted(lead_id=loser, note="rang"), winner),
        (LeadUpdated(lead_id=loser, bedrooms="3"), winner),
        (TourCompleted(tour_id=tour, lead_id=loser), loser),
        (ConsentWithdrawn(consent_id=consent_id(loser, sms), lead_id=loser, channel=sms,
                          place="sms_reply", at=at), winner),
    ]  # fmt: skip
    keys = [uuid4() for _ in said]
    for (event, decided), key in zip(said, keys, strict=True):
        before = len(await house.facts())
        assert key in (await house.propose(event, key)).new
        assert (await house.facts())[before] == (event.name, decided)
    named_winner = TourCompleted(tour_id=await house.tour(winner), lead_id=loser)
    assert (await house.propose(named_winner)).new
    for parted in (False, True):
        if parted:
            await house.unmerge(loser)
        for (event, _), key in zip(said, keys, strict=True):
            assert (await house.propose(event, key)).known == (key,)


async def test_who_merges_both_ways_at_once_merges_once(house: House) -> None:
    for _ in range(4):
        one, other = await house.lead(), await house.lead()
        outcomes = await asyncio.gather(
            house.merge(one, other),
            house.merge(other, one),
            house.merge(one, other),
            return_exceptions=True,
        )
        refused = [told for told in outcomes if isinstance(told, Refused)]
        won = {told for told in outcomes if isinstance(told, UUID)}
        assert len(won) == 1, outcomes
        assert {told.code for told in refused} == {"same_lead"}
    assert len(await house.facts("lead.merged")) == 4


async def test_a_lead_merged_into_two_at_once_has_one_winner(house: House) -> None:
    loser, rivals = await house.lead(email=ADA), [await house.lead() for _ in range(4)]
    outcomes = await asyncio.gather(
        *(house.merge(loser, rival) for rival in rivals), return_exceptions=True
    )
    (won,) = [told for told in outcomes if isinstance(told, UUID)]
    assert {told.code for told in outcomes if isinstance(told, Refused)} == {"already_merged"}
    assert await house.captured(email=ADA) == won


@pytest.mark.parametrize("first", ["merge", "capture"])
async def test_a_capture_and_a_merge_at_once_are_as_one_after_the_other(
    house: House, first: str
) -> None:
    """Whichever is decided first, the other is decided again."""
    loser, winner = await house.lead(email=ADA), await house.lead(email=EVE)
    tries: list[Unit] = []

    async def capturing(unit: Unit) -> UUID:
        found = await capture(unit, Details(email=ADA, bedrooms="4"), lead_id=uuid4())
        tries.append(unit)
        if len(tries) == 1 and first == "merge":
            await house.merge(loser, winner)
        return found

    async def merging(unit: Unit) -> UUID:
        top = await unit.known_as(winner)
        held = await unit.state(UpdateLead(loser, {}))
        tries.append(unit)
        if len(tries) == 1:
            await house.captured(email=ADA, bedrooms="4")
        assert held.exists
        return await merge(unit, loser, top, reason=None, by=None)

    work = capturing if first == "merge" else merging
    await transact(house.world.pool, house.scope, work)
    assert len(tries) == 2, "the race was lost, and decided again"
    updated = [lead for _, lead in await house.facts("lead.updated")]
    assert updated == ([winner] if first == "merge" else [loser, winner])
    assert await house.captured(email=ADA) == winner


async def test_captures_and_merges_all_at_once_leave_one_person(house: House) -> None:
    """Seven: who loses to each of the others has an attempt left."""
    loser, winner = await house.lead(email=ADA), await house.lead(email=EVE)
    outcomes = await asyncio.gather(
        *(house.captured(email=ADA, bedrooms=str(n)) for n in range(3)),
        house.merge(loser, winner),
        *(house.captured(email=ADA, bedrooms=str(n)) for n in range(3, 6)),
    )
    assert set(outcomes) <= {loser, winner}
    merged_at = [kind for kind, _ in await house.facts()].index("lead.merged")
    after = (await house.facts())[merged_at + 1 :]
    assert {lead for kind, lead in after if kind == "lead.updated"} <= {winner}
    await house.world.project()
    assert await parked_reasons(house.world.pool) == []
    assert await house.world.count("leads WHERE merged_into IS NULL") == 1
