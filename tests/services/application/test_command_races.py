"""The handler's own protections, each taken out: what it decided on, repeats, and claims.

Who races does so in the middle of the other's decision, so that the race is always lost.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.leads import LeadStatus
from events.log import append as appending
from events.log import commands
from events.log.append import Appended, append
from events.log.commands import Command
from events.log.connection import Connection
from events.log.errors import Conflict
from events.record import NewEvent
from events.tours import TourCancelled
from services.application import command_handler as handling
from services.application.command_handler import transact
from services.application.leads import capture
from services.application.unit_of_work import UnitOfWork
from services.deciders.decider import Refused
from services.deciders.leads import CaptureLead, ChangeStatus, Details, NoteLead, UpdateLead
from services.deciders.tour_bookings import ScheduleTour
from services.deciders.tour_outcomes import CancelTour, CompleteTour
from tests.services.application.test_command_handler import WHEN, Door
from tests.world import make_world


@pytest.fixture
async def door(pool: asyncpg.Pool) -> Door:
    return Door(await make_world(pool))


async def overtaken(door: Door, mine: object, theirs: object) -> None:
    """Carry out `mine`; when it is decided the first time, `theirs` is decided and committed."""
    tries: list[UnitOfWork] = []

    async def work(uow: UnitOfWork) -> None:
        await uow.do(mine)
        tries.append(uow)
        if len(tries) == 1:
            await door.do(theirs)

    await transact(door.world.pool, door.scope, work)


async def _anywhere(conn: Connection, events: Sequence[NewEvent], **_relied_on: object) -> Appended:
    """As if what was decided went to the next version, whatever it was decided on."""
    return await append(conn, events, expected={})


async def _unguarded(
    conn: Connection, events: Sequence[NewEvent], *, expected: Any, guards: Any
) -> Appended:
    """As if only the streams that are written mattered."""
    return await append(conn, events, expected=expected)


@pytest.mark.parametrize("protected", [True, False])
async def test_a_decision_that_was_overtaken_is_made_again(
    door: Door, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    if not protected:
        monkeypatch.setattr(handling, "_RACED", ())
    lead = await door.lead()
    mine, theirs = NoteLead(lead, "mine"), NoteLead(lead, "theirs")
    if protected:
        await overtaken(door, mine, theirs)
    else:
        with pytest.raises(Conflict):
            await overtaken(door, mine, theirs)
    assert (await door.log()).count("lead.noted") == 1 + protected


@pytest.mark.parametrize("protected", [True, False])
async def test_a_tour_cancelled_while_its_completion_was_decided_stays_cancelled(
    door: Door, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    if not protected:
        monkeypatch.setattr("services.application.unit_of_work.append", _anywhere)
    lead = await door.lead()
    tour = await door.tour(lead)
    if protected:
        with pytest.raises(Refused, match="cancelled"):
            await overtaken(door, CompleteTour(tour, lead), CancelTour(tour, lead))
    else:
        await overtaken(door, CompleteTour(tour, lead), CancelTour(tour, lead))
    assert ("tour.completed" in await door.log()) is not protected


@pytest.mark.parametrize("protected", [True, False])
async def test_what_was_only_read_still_stands_when_the_decision_is_kept(
    door: Door, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    """A booking moves no lost lead; meanwhile this one was found again, and then it does."""
    if not protected:
        monkeypatch.setattr("services.application.unit_of_work.append", _unguarded)
    lead = await door.lead()
    await door.do(ChangeStatus(lead, LeadStatus.LOST))
    booking = ScheduleTour(uuid4(), lead, at=door.world.now, when=WHEN, source="console")
    await overtaken(door, booking, ChangeStatus(lead, LeadStatus.NEW))
    moved = ["lead.status_changed"] if protected else []
    assert (await door.log())[-1 - len(moved) :] == ["tour.scheduled", *moved]


async def _always_new(*_: object) -> None: ...


def _random_id(*_: object) -> UUID:
    return uuid4()


@pytest.mark.parametrize("out", ["nothing", "claim", "claim and ids"])
async def test_a_command_that_comes_late_again_does_not_undo_what_followed(
    door: Door, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    """Two nets: the command's id is claimed, and the ids of its events derive from it."""
    if "claim" in out:
        monkeypatch.setattr(commands, "claim", _always_new)
    if "ids" in out:
        monkeypatch.setattr(UnitOfWork, "_event_id", _random_id)
    lead, once = await door.lead(), Command(uuid4(), b"Ada")
    first = await door.do(UpdateLead(lead, {"first_name": "Ada"}), once)
    await door.do(UpdateLead(lead, {"first_name": "Grace"}))
    again = await door.do(UpdateLead(lead, {"first_name": "Ada"}), once)
    assert again.repeated is (out == "nothing")
    assert (again.token == first.token) is ("ids" not in out)
    await door.world.project()
    async with door.world.pool.acquire() as conn:
        name = await conn.fetchval("SELECT first_name FROM leads")
    assert name == ("Ada" if "ids" in out else "Grace")


@pytest.mark.parametrize("protected", [True, False])
async def test_a_refusal_does_not_turn_into_consent_when_the_command_comes_again(
    door: Door, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    if not protected:
        monkeypatch.setattr(commands, "claim", _always_new)
    lead, once = uuid4(), Command(uuid4(), b"note")
    with pytest.raises(Refused):
        await door.do(NoteLead(lead, "early"), once)
    await door.do(CaptureLead(lead, Details(email="late@example.com")))
    if protected:
        with pytest.raises(Refused):
            await door.do(NoteLead(lead, "early"), once)
    else:
        await door.do(NoteLead(lead, "early"), once)
    assert ("lead.noted" in await door.log()) is not protected


@pytest.mark.parametrize("protected", [True, False])
async def test_another_command_under_a_known_id_is_not_swallowed(
    door: Door, protected: bool
) -> None:
    """Without protection: the digest is not of what the command says."""
    lead, key = await door.lead(), uuid4()
    await door.do(NoteLead(lead, "one"), Command(key, b"one"))
    other = Command(key, b"two" if protected else b"one")
    if protected:
        with pytest.raises(Refused) as caught:
            await door.do(NoteLead(lead, "two"), other)
        assert caught.value.code == "idempotency_key_reused"
    else:
        assert (await door.do(NoteLead(lead, "two"), other)).repeated, "and nobody is told"
    assert (await door.log()).count("lead.noted") == 1


@pytest.mark.parametrize("protected", [True, False])
async def test_a_proposal_delivered_again_is_known_and_no_dead_letter(
    door: Door, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    if not protected:
        monkeypatch.setattr("services.application.decided_events._recognised", _not_recognised)
    lead = await door.lead()
    tour, key = await door.tour(lead), uuid4()
    said = TourCancelled(tour_id=tour, lead_id=lead)
    assert (await door.propose(said, key)).new == (key,)
    if protected:
        assert (await door.propose(said, key)).known == (key,)
    else:
        with pytest.raises(Refused) as caught:
            await door.propose(said, key)
        assert caught.value.code == "already_so"


async def _not_recognised(*_: object) -> bool:
    return False


@pytest.mark.parametrize("out", ["nothing", "retry", "claim"])
async def test_a_person_who_comes_by_two_ways_at_once_is_one_lead(
    door: Door, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    if out == "retry":
        monkeypatch.setattr(handling, "_RACED", (Conflict,))
    if out == "claim":
        monkeypatch.setattr(appending, "claim", _claim_nothing)
    details = Details(email="ada@example.com", first_name="Ada")
    first, second = uuid4(), uuid4()
    tries: list[UnitOfWork] = []

    async def work(uow: UnitOfWork) -> str:
        found = await capture(uow, details, lead_id=second)
        tries.append(uow)
        if len(tries) == 1:
            await door.do(CaptureLead(first, details))
        return str(found)

    if out == "retry":
        with pytest.raises(Refused) as caught:
            await transact(door.world.pool, door.scope, work)
        assert caught.value.code == "claim_taken"
    else:
        handled = await transact(door.world.pool, door.scope, work)
        assert handled.result == str(first if out == "nothing" else second)
    assert (await door.log()).count("lead.captured") == (2 if out == "claim" else 1)


async def _claim_nothing(*_: object) -> None: ...
