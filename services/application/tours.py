"""Bookings with all they take: a place in a slot and an agent's time, in one transaction."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid5

from events.event import Event
from events.log import sequencer
from events.log.reserved_times import overlapping_slots, tour_of_agent
from events.record import Stream
from services.application.unit_of_work import UnitOfWork
from services.deciders.slot_schedule import TourHours, tour_hours
from services.deciders.slot_times import SlotTime, slot_of
from services.deciders.slots import LeavePlace, TakePlace
from services.deciders.tour_bookings import AmendTour, RescheduleTour, ScheduleTour
from services.deciders.tour_outcomes import CancelTour
from services.deciders.tours import LIVE, Tour, TourCommand
from services.deciders.widgets import ConfigureWidget, Widget

REBOOKINGS = 100
"""How often a lead may call off and book the same slot again."""


async def carry_out(uow: UnitOfWork, command: TourCommand) -> list[Event]:
    """Decide a command about a tour, and what it means for slots and agents.

    Who contends for a place or an agent queues, so nobody is refused while a place is free. Call it
    before slots are read. The tour's own events are answered. Raises `Refused`.
    """
    match command:
        case ScheduleTour():
            return await _schedule(uow, command)
        case RescheduleTour():
            return await change(uow, command, None)
        case AmendTour():
            return await change(uow, None, command)
        case CancelTour():
            return await _cancel(uow, command)
        case _:
            return await uow.do(command)


async def hours_of(uow: UnitOfWork) -> TourHours:
    """The property's tour hours, by its widget's settings as they are now."""
    widget: Widget = await uow.state(ConfigureWidget(uow.scope.property_id, {}))
    return tour_hours(widget.settings)


async def queue_for(
    uow: UnitOfWork, slots: Iterable[SlotTime | None], agent: UUID | None = None
) -> None:
    """Queue with all that book a time these slots share, or this agent."""
    days = {
        uuid5(slot.property_id, day.isoformat()) for slot in slots if slot for day in slot.days()
    }
    wanted = [Stream("tour_day", day) for day in days]
    if agent is not None:
        wanted.append(Stream("agent", agent))
    await uow.lock(*wanted)


async def tour_in(uow: UnitOfWork, slot: SlotTime, lead_id: UUID) -> tuple[UUID, bool]:
    """The id of a lead's tour in a slot, and whether it is booked already: asked again, a booking
    is the same one; called off or moved away, the next has another id.

    A widget tells the ids of leads and slots, and a tour's calendar file to whoever has its id: so
    the id hangs on the log's own too, which is random and told to no client.
    """
    lead_id = await uow.known_as(lead_id)
    secret = (await sequencer.state(uow.conn)).id
    for number in range(REBOOKINGS):
        tour_id = uuid5(slot.id, f"{secret}/{lead_id}/{number}")
        history = await uow.history(Stream("tour", tour_id))
        if not history:
            return tour_id, False
        tour: Tour = await uow.state(AmendTour(tour_id, lead_id, {}))
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
    """Take a place in a slot that was queued for. Raises `Refused`."""
    others = await overlapping_slots(uow.conn, slot.property_id, (slot.starts_at, slot.ends_at))
    await uow.do(TakePlace(
        slot, hold_id, uow.scope.at, capacity, tour_id, session_id, expires_at,
        tuple(each for each in others if each != slot.id), instead_of,
    ))  # fmt: skip


async def _schedule(uow: UnitOfWork, command: ScheduleTour) -> list[Event]:
    slot = slot_of(uow.scope.property_id, command.when)
    await queue_for(uow, [slot], command.assigned_agent_id)
    busy = await _busy(uow, command.assigned_agent_id, slot, command.tour_id)
    events = await uow.do(replace(command, slot_id=slot.id, agent_busy_with=busy))
    if events:
        hours = await hours_of(uow)
        await take_place(
            uow, slot, command.tour_id, capacity=hours.capacity, tour_id=command.tour_id,
            instead_of=command.hold_id,
        )  # fmt: skip
    return events


async def change(
    uow: UnitOfWork, move: RescheduleTour | None, amend: AmendTour | None
) -> list[Event]:
    """Move a tour, change its details, or both at once: its agent is free for what it becomes."""
    first = move or amend
    if first is None:
        return []
    tour: Tour = await uow.state(first)
    agent = tour.details.get("assigned_agent_id")
    if amend is not None:
        agent = amend.changes.get("assigned_agent_id", agent)
    slot = slot_of(uow.scope.property_id, move.when) if move else _time_of(uow, tour)
    if move is not None:
        await queue_for(uow, [slot, _time_of(uow, tour)], agent)
    elif agent is not None:
        await queue_for(uow, [], agent)
    busy = await _busy(uow, agent, slot, first.tour_id)
    events: list[Event] = []
    if move is not None and slot is not None:
        moved = await uow.do(replace(move, slot_id=slot.id, agent_busy_with=busy))
        if moved:
            await _leave(uow, tour, move.tour_id, "rescheduled")
            hours = await hours_of(uow)
            await take_place(uow, slot, move.tour_id, capacity=hours.capacity, tour_id=move.tour_id)
        events += moved
    if amend is not None:
        events += await uow.do(replace(amend, agent_busy_with=busy))
    return events


async def _cancel(uow: UnitOfWork, command: CancelTour) -> list[Event]:
    tour: Tour = await uow.state(command)
    await queue_for(uow, [_time_of(uow, tour)])
    events = await uow.do(command)
    if events:
        await _leave(uow, tour, command.tour_id, "cancelled")
    return events


async def _leave(uow: UnitOfWork, tour: Tour, tour_id: UUID, reason: str) -> None:
    if tour.slot_id is not None:
        await uow.do(LeavePlace(tour.slot_id, tour_id, reason))


async def _busy(
    uow: UnitOfWork, agent: UUID | None, slot: SlotTime | None, tour_id: UUID
) -> UUID | None:
    if agent is None or slot is None:
        return None
    span = (slot.starts_at, slot.ends_at)
    return await tour_of_agent(uow.conn, uow.scope.org_id, agent, span, but=tour_id)


def _time_of(uow: UnitOfWork, tour: Tour) -> SlotTime | None:
    """The time a tour takes now; None where there is no such tour."""
    if tour.starts_at is None:
        return None
    return SlotTime(uow.scope.property_id, tour.starts_at, tour.duration_minutes, "UTC")
