"""The protections of the command handler, each removed in turn: versions, repetitions, claims.

The concurrent command runs in the middle of the other's decision, so there is always a conflict.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.leads import LeadStatus
from events.log import commands, state_rows
from events.log.append import AppendResult, append
from events.log.commands import CommandId
from events.log.connection import Connection
from events.log.errors import Conflict
from events.record import NewEvent
from events.tours import TourCancelled
from services.application import command_transaction
from services.application.command_handler import transact
from services.application.leads import capture_lead
from services.application.unit_of_work import UnitOfWork
from services.application.work_streams import DecidedEvents
from services.deciders.decider import Refused
from services.deciders.leads import CaptureLead, ChangeStatus, Details, NoteLead, UpdateLead
from services.deciders.tour_bookings import ScheduleTour
from services.deciders.tour_outcomes import CancelTour, CompleteTour
from tests.services.application.test_command_handler import AFTER_TOUR, WHEN, CommandHarness
from tests.world import make_world


@pytest.fixture
async def harness(pool: asyncpg.Pool) -> CommandHarness:
    return CommandHarness(await make_world(pool))


async def execute_during(harness: CommandHarness, command: object, other: object) -> None:
    """Execute `command`; when it is decided the first time, execute and commit `other`."""
    attempts: list[UnitOfWork] = []

    async def work(uow: UnitOfWork) -> None:
        await uow.execute(command)
        attempts.append(uow)
        if len(attempts) == 1:
            await harness.execute(other)

    await transact(harness.world.pool, harness.scope, work)


async def _append_without_versions(
    conn: Connection, events: Sequence[NewEvent], **_versions: object
) -> AppendResult:
    """Append at the next version, whatever version the decision was based on."""
    return await append(conn, events, expected={})


async def _append_without_guards(
    conn: Connection, events: Sequence[NewEvent], *, expected: Any, guards: Any
) -> AppendResult:
    """Append with the versions of the written streams only."""
    return await append(conn, events, expected=expected)


@pytest.mark.parametrize("protected", [True, False])
async def test_a_command_is_decided_again_after_a_conflict(
    harness: CommandHarness, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    if not protected:
        monkeypatch.setattr(command_transaction, "CONFLICTS", ())
    lead = await harness.lead()
    command, other = NoteLead(lead, "this one"), NoteLead(lead, "the other one")
    if protected:
        await execute_during(harness, command, other)
    else:
        with pytest.raises(Conflict):
            await execute_during(harness, command, other)
    assert (await harness.log()).count("lead.noted") == 1 + protected


@pytest.mark.parametrize("protected", [True, False])
async def test_a_tour_that_is_cancelled_during_its_completion_stays_cancelled(
    harness: CommandHarness, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    if not protected:
        monkeypatch.setattr("services.application.unit_of_work.append", _append_without_versions)
    lead = await harness.lead()
    tour = await harness.tour(lead)
    if protected:
        with pytest.raises(Refused, match="cancelled"):
            await execute_during(
                harness, CompleteTour(tour, lead, at=AFTER_TOUR), CancelTour(tour, lead)
            )
    else:
        await execute_during(
            harness, CompleteTour(tour, lead, at=AFTER_TOUR), CancelTour(tour, lead)
        )
    assert ("tour.completed" in await harness.log()) is not protected


@pytest.mark.parametrize("protected", [True, False])
async def test_a_stream_that_was_only_read_is_guarded(
    harness: CommandHarness, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    """A booking does not change the status of a lost lead. This lead becomes new meanwhile."""
    if not protected:
        monkeypatch.setattr("services.application.unit_of_work.append", _append_without_guards)
    lead = await harness.lead()
    await harness.execute(ChangeStatus(lead, LeadStatus.LOST))
    booking = ScheduleTour(uuid4(), lead, at=harness.world.now, when=WHEN, source="console")
    await execute_during(harness, booking, ChangeStatus(lead, LeadStatus.NEW))
    moved = ["lead.status_changed"] if protected else []
    assert (await harness.log())[-1 - len(moved) :] == ["tour.scheduled", *moved]


async def _is_always_new(*_: object) -> None: ...


def _random_id(*_: object) -> UUID:
    return uuid4()


@pytest.mark.parametrize("removed", ["nothing", "claim", "claim and ids"])
async def test_a_late_repetition_does_not_undo_later_commands(
    harness: CommandHarness, monkeypatch: pytest.MonkeyPatch, removed: str
) -> None:
    """Two protections: the command id is claimed, and the event ids are derived from it."""
    if "claim" in removed:
        monkeypatch.setattr(commands, "claim", _is_always_new)
    if "ids" in removed:
        monkeypatch.setattr(DecidedEvents, "_event_id", _random_id)
    lead, command_id = await harness.lead(), CommandId(uuid4(), b"Ada")
    first = await harness.execute(UpdateLead(lead, {"first_name": "Ada"}), command_id)
    await harness.execute(UpdateLead(lead, {"first_name": "Grace"}))
    again = await harness.execute(UpdateLead(lead, {"first_name": "Ada"}), command_id)
    assert again.repeated is (removed == "nothing")
    assert (again.token == first.token) is ("ids" not in removed)
    await harness.world.project()
    async with harness.world.pool.acquire() as conn:
        name = await conn.fetchval("SELECT first_name FROM leads")
    assert name == ("Ada" if "ids" in removed else "Grace")


@pytest.mark.parametrize("protected", [True, False])
async def test_a_refused_command_stays_refused_when_it_is_repeated(
    harness: CommandHarness, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    if not protected:
        monkeypatch.setattr(commands, "claim", _is_always_new)
    lead, command_id = uuid4(), CommandId(uuid4(), b"note")
    with pytest.raises(Refused):
        await harness.execute(NoteLead(lead, "early"), command_id)
    await harness.execute(CaptureLead(lead, Details(email="late@example.com")))
    if protected:
        with pytest.raises(Refused):
            await harness.execute(NoteLead(lead, "early"), command_id)
    else:
        await harness.execute(NoteLead(lead, "early"), command_id)
    assert ("lead.noted" in await harness.log()) is not protected


@pytest.mark.parametrize("protected", [True, False])
async def test_another_command_with_the_same_id_is_refused(
    harness: CommandHarness, protected: bool
) -> None:
    """Without protection: the digest does not depend on the content of the command."""
    lead, key = await harness.lead(), uuid4()
    await harness.execute(NoteLead(lead, "one"), CommandId(key, b"one"))
    other = CommandId(key, b"two" if protected else b"one")
    if protected:
        with pytest.raises(Refused) as caught:
            await harness.execute(NoteLead(lead, "two"), other)
        assert caught.value.code == "idempotency_key_reused"
    else:
        assert (await harness.execute(NoteLead(lead, "two"), other)).repeated, (
            "the second note is lost without an error"
        )
    assert (await harness.log()).count("lead.noted") == 1


@pytest.mark.parametrize("protected", [True, False])
async def test_a_repeated_decided_event_is_a_duplicate_and_not_refused(
    harness: CommandHarness, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    if not protected:
        monkeypatch.setattr("services.application.decided_events._find_in_log", _is_never_in_log)
    lead = await harness.lead()
    tour, key = await harness.tour(lead), uuid4()
    cancelled = TourCancelled(tour_id=tour, lead_id=lead)
    assert (await harness.send(cancelled, key)).new == (key,)
    if protected:
        assert (await harness.send(cancelled, key)).duplicates == (key,)
    else:
        with pytest.raises(Refused) as caught:
            await harness.send(cancelled, key)
        assert caught.value.code == "already_so"


async def _is_never_in_log(*_: object) -> None:
    return None


@pytest.mark.parametrize("removed", ["nothing", "retry", "claim"])
async def test_two_concurrent_captures_of_one_person_give_one_lead(
    harness: CommandHarness, monkeypatch: pytest.MonkeyPatch, removed: str
) -> None:
    if removed == "retry":
        monkeypatch.setattr(command_transaction, "CONFLICTS", (Conflict,))
    if removed == "claim":
        monkeypatch.setattr(state_rows, "update_claims", _claim_nothing)
    details = Details(email="ada@example.com", first_name="Ada")
    first, second = uuid4(), uuid4()
    attempts: list[UnitOfWork] = []

    async def work(uow: UnitOfWork) -> str:
        lead_id = await capture_lead(uow, details, lead_id=second)
        attempts.append(uow)
        if len(attempts) == 1:
            await harness.execute(CaptureLead(first, details))
        return str(lead_id)

    if removed == "retry":
        with pytest.raises(Refused) as caught:
            await transact(harness.world.pool, harness.scope, work)
        assert caught.value.code == "claim_taken"
    else:
        result = await transact(harness.world.pool, harness.scope, work)
        assert result.result == str(first if removed == "nothing" else second)
    assert (await harness.log()).count("lead.captured") == (2 if removed == "claim" else 1)


async def _claim_nothing(*_: object) -> None: ...
