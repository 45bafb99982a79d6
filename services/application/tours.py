"""The commands about tours with their consequences: a place in a slot and the agent's time."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid5

from events.event import Event
from events.log import sequencer
from events.log.reserved_times import find_overlapping_slots, find_tour_of_agent
from events.record import Stream
from services.application.unit_of_work import UnitOfWork
from services.deciders import tour_bookings, widgets
from services.deciders.slot_schedule import TourHours, parse_tour_hours
from services.deciders.slot_times import SlotTime, make_slot_time
from services.deciders.slots import ReleasePlace, TakePlace
from services.deciders.tour_bookings import AmendTour, RescheduleTour, ScheduleTour
from services.deciders.tour_outcomes import CancelTour
from services.deciders.tours import LIVE, Tour, TourCommand

MAX_REBOOKINGS = 100
"""Number of times that a lead may cancel and book the same slot again."""


async def execute_tour_command(uow: UnitOfWork, command: TourCommand) -> list[Event]:
    """Execute a command about a tour, with its consequences for slots and agents.

    Return the events of the tour itself. Raises `Refused`. Call it before slots are read.
    """
    match command:
        case ScheduleTour():
            return await _schedule(uow, command)
        case RescheduleTour():
            return await change_tour(uow, command, None)
        case AmendTour():
            return await change_tour(uow, None, command)
        case CancelTour():
            return await _cancel(uow, command)
        case _:
            return await uow.execute(command)


async def load_tour_hours(uow: UnitOfWork) -> TourHours:
    """Return the property's tour hours by the present settings of its widget."""
    widget = await uow.load(widgets.decider, uow.scope.property_id)
    return parse_tour_hours(widget.settings)


async def lock_slot_days(
    uow: UnitOfWork, slots: Iterable[SlotTime | None], agent: UUID | None = None
) -> None:
    """Wait for the locks of the days that the slots touch, and of the agent.

    Bookings for the same time queue here instead of retrying conflicts. With retries alone, some
    of 50 bookings at once would be refused although places are free. The lock is of the day and not
    of the slot, because slots of different lengths overlap and share their places.
    """
    days = {
        uuid5(slot.property_id, day.isoformat()) for slot in slots if slot for day in slot.days()
    }
    streams = [Stream("tour_day", day) for day in days]
    if agent is not None:
        streams.append(Stream("agent", agent))
    # All locks are taken with one call, in one order, so that two bookings cannot deadlock.
    await uow.lock(*streams)


async def find_tour_in_slot(uow: UnitOfWork, slot: SlotTime, lead_id: UUID) -> tuple[UUID, bool]:
    """Return the id of a lead's tour in a slot, and whether that tour is booked already.

    A repeated booking finds the same tour. After a cancellation or a move, the next booking gets
    the next id. The ids of leads and slots are visible in the widget, and anybody with a tour's id
    can read its calendar file. So the id also depends on the id of the log, which is random and
    never sent to a client.
    """
    lead_id = await uow.surviving_lead(lead_id)
    secret = (await sequencer.read_log_state(uow.conn)).id
    for number in range(MAX_REBOOKINGS):
        tour_id = uuid5(slot.id, f"{secret}/{lead_id}/{number}")
        tour = await uow.load(tour_bookings.decider, tour_id)
        if tour.lead_id is None:
            return tour_id, False
        if tour.status in LIVE and tour.starts_at == slot.starts_at:
            return tour_id, True
    return uuid5(slot.id, f"{secret}/{lead_id}/{uow.scope.at.isoformat()}"), False


async def take_place(
    uow: UnitOfWork,
    slot: SlotTime,
    hold_id: UUID,
    *,
    capacity: int,
    tour_id: UUID | None = None,
    session_id: UUID | None = None,
    expires_at: datetime | None = None,
    instead_of: UUID | None = None,
) -> None:
    """Take a place in a slot whose days are locked. Raises `Refused` if it is full."""
    span = (slot.starts_at, slot.ends_at)
    others = await find_overlapping_slots(uow.conn, slot.property_id, span)
    await uow.execute(TakePlace(
        slot, hold_id, uow.scope.at, capacity, tour_id, session_id, expires_at,
        tuple(slot_id for slot_id in others if slot_id != slot.id), instead_of,
    ))  # fmt: skip


async def _schedule(uow: UnitOfWork, command: ScheduleTour) -> list[Event]:
    slot = make_slot_time(uow.scope.property_id, command.when)
    await lock_slot_days(uow, [slot], command.assigned_agent_id)
    other_tour = await _other_tour(uow, command.assigned_agent_id, slot, command.tour_id)
    events = await uow.execute(replace(command, slot_id=slot.id, agent_busy_with=other_tour))
    if events:
        hours = await load_tour_hours(uow)
        await take_place(
            uow, slot, command.tour_id, capacity=hours.capacity, tour_id=command.tour_id,
            session_id=command.session_id, instead_of=command.hold_id,
        )  # fmt: skip
    return events


async def change_tour(
    uow: UnitOfWork, move: RescheduleTour | None, amend: AmendTour | None
) -> list[Event]:
    """Move a tour, amend it, or do both; the agent must be free for the tour as it is afterwards.

    Raises `Refused`.
    """
    first = move or amend
    if first is None:
        return []
    tour = await uow.load(tour_bookings.decider, first.tour_id)
    agent = tour.details.get("assigned_agent_id")
    if amend is not None:
        agent = amend.changes.get("assigned_agent_id", agent)
    slot = make_slot_time(uow.scope.property_id, move.when) if move else _time_of(uow, tour)
    if move is not None:
        # The old time is locked too: its place is released for the bookings that queue for it.
        await lock_slot_days(uow, [slot, _time_of(uow, tour)], agent)
    elif agent is not None:
        await lock_slot_days(uow, [], agent)
    other_tour = await _other_tour(uow, agent, slot, first.tour_id)
    events: list[Event] = []
    if move is not None and slot is not None:
        moved = await uow.execute(replace(move, slot_id=slot.id, agent_busy_with=other_tour))
        if moved:
            # First out of the old place, then into the new one: the two slots may overlap.
            await _release(uow, tour, move.tour_id, "rescheduled")
            hours = await load_tour_hours(uow)
            await take_place(uow, slot, move.tour_id, capacity=hours.capacity, tour_id=move.tour_id)
        events += moved
    if amend is not None:
        events += await uow.execute(replace(amend, agent_busy_with=other_tour))
    return events


async def _cancel(uow: UnitOfWork, command: CancelTour) -> list[Event]:
    tour = await uow.load(tour_bookings.decider, command.tour_id)
    await lock_slot_days(uow, [_time_of(uow, tour)])
    events = await uow.execute(command)
    if events:
        await _release(uow, tour, command.tour_id, "cancelled")
    return events


async def _release(uow: UnitOfWork, tour: Tour, tour_id: UUID, reason: str) -> None:
    if tour.slot_id is not None:
        await uow.execute(ReleasePlace(tour.slot_id, tour_id, reason))


async def _other_tour(
    uow: UnitOfWork, agent: UUID | None, slot: SlotTime | None, tour_id: UUID
) -> UUID | None:
    """Return another tour of the agent that overlaps the slot, if any."""
    if agent is None or slot is None:
        return None
    span = (slot.starts_at, slot.ends_at)
    return await find_tour_of_agent(uow.conn, uow.scope.org_id, agent, span, except_tour_id=tour_id)


def _time_of(uow: UnitOfWork, tour: Tour) -> SlotTime | None:
    """Return the time of a tour in UTC; None if the tour does not exist."""
    if tour.starts_at is None:
        return None
    return SlotTime(uow.scope.property_id, tour.starts_at, tour.duration_minutes, "UTC")
