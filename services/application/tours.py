"""Bookings with all they take: a place in a slot and an agent's time, in one transaction."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid5

from events.event import Event
from events.log import sequencer
from events.log.reserved_times import overlapping_slots, tour_of_agent
from events.record import Stream
from services.application.unit_of_work import Unit
from services.deciders.slot_schedule import TourHours, tour_hours
from services.deciders.slot_times import SlotTime, slot_of
from services.deciders.slots import LeavePlace, TakePlace
from services.deciders.tour_bookings import AmendTour, RescheduleTour, ScheduleTour
from services.deciders.tour_outcomes import CancelTour
from services.deciders.tours import LIVE, Tour, TourCommand
from services.deciders.widgets import ConfigureWidget, Widget

REBOOKINGS = 100
"""How often a lead may call off and book the same slot again."""


async def carry_out(unit: Unit, command: TourCommand) -> list[Event]:
    """Decide a command about a tour, and what it means for slots and agents.

    Who contends for a place or an agent queues, so nobody is refused while a place is free. Call it
    before slots are read. The tour's own events are answered. Raises `Refused`.
    """
    match command:
        case ScheduleTour():
            return await _schedule(unit, command)
        case RescheduleTour():
            return await change(unit, command, None)
        case AmendTour():
            return await change(unit, None, command)
        case CancelTour():
            return await _cancel(unit, command)
        case _:
            return await unit.do(command)


async def hours_of(unit: Unit) -> TourHours:
    """The property's tour hours, by its widget's settings as they are now."""
    widget: Widget = await unit.state(ConfigureWidget(unit.scope.property_id, {}))
    return tour_hours(widget.settings)


async def queue_for(
    unit: Unit, slots: Iterable[SlotTime | None], agent: UUID | None = None
) -> None:
    """Queue with all that book a time these slots share, or this agent."""
    days = {
        uuid5(slot.property_id, day.isoformat()) for slot in slots if slot for day in slot.days()
    }
    wanted = [Stream("tour_day", day) for day in days]
    if agent is not None:
        wanted.append(Stream("agent", agent))
    await unit.lock(*wanted)


async def tour_in(unit: Unit, slot: SlotTime, lead_id: UUID) -> tuple[UUID, bool]:
    """The id of a lead's tour in a slot, and whether it is booked already: asked again, a booking
    is the same one; called off or moved away, the next has another id.

    A widget tells the ids of leads and slots, and a tour's calendar file to whoever has its id: so
    the id hangs on the log's own too, which is random and told to no client.
    """
    lead_id = await unit.known_as(lead_id)
    secret = (await sequencer.state(unit.conn)).id
    for number in range(REBOOKINGS):
        tour_id = uuid5(slot.id, f"{secret}/{lead_id}/{number}")
        history = await unit.history(Stream("tour", tour_id))
        if not history:
            return tour_id, False
        tour: Tour = await unit.state(AmendTour(tour_id, lead_id, {}))
        if tour.status in LIVE and tour.starts_at == slot.starts_at:
            return tour_id, True
    return uuid5(slot.id, f"{secret}/{lead_id}/{unit.scope.at.isoformat()}"), False


async def take_place(
    unit: Unit,
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
    others = await overlapping_slots(unit.conn, slot.property_id, (slot.starts_at, slot.ends_at))
    await unit.do(TakePlace(
        slot, hold_id, unit.scope.at, capacity, tour_id, session_id, expires_at,
        tuple(each for each in others if each != slot.id), instead_of,
    ))  # fmt: skip


async def _schedule(unit: Unit, command: ScheduleTour) -> list[Event]:
    slot = slot_of(unit.scope.property_id, command.when)
    await queue_for(unit, [slot], command.assigned_agent_id)
    busy = await _busy(unit, command.assigned_agent_id, slot, command.tour_id)
    events = await unit.do(replace(command, slot_id=slot.id, agent_busy_with=busy))
    if events:
        hours = await hours_of(unit)
        await take_place(
            unit, slot, command.tour_id, capacity=hours.capacity, tour_id=command.tour_id,
            instead_of=command.hold_id,
        )  # fmt: skip
    return events


async def change(unit: Unit, move: RescheduleTour | None, amend: AmendTour | None) -> list[Event]:
    """Move a tour, change its details, or both at once: its agent is free for what it becomes."""
    first = move or amend
    if first is None:
        return []
    tour: Tour = await unit.state(first)
    agent = tour.details.get("assigned_agent_id")
    if amend is not None:
        agent = amend.changes.get("assigned_agent_id", agent)
    slot = slot_of(unit.scope.property_id, move.when) if move else _time_of(unit, tour)
    if move is not None:
        await queue_for(unit, [slot, _time_of(unit, tour)], agent)
    elif agent is not None:
        await queue_for(unit, [], agent)
    busy = await _busy(unit, agent, slot, first.tour_id)
    events: list[Event] = []
    if move is not None and slot is not None:
        moved = await unit.do(replace(move, slot_id=slot.id, agent_busy_with=busy))
        if moved:
            await _leave(unit, tour, move.tour_id, "rescheduled")
            hours = await hours_of(unit)
            await take_place(
                unit, slot, move.tour_id, capacity=hours.capacity, tour_id=move.tour_id
            )
        events += moved
    if amend is not None:
        events += await unit.do(replace(amend, agent_busy_with=busy))
    return events


async def _cancel(unit: Unit, command: CancelTour) -> list[Event]:
    tour: Tour = await unit.state(command)
    await queue_for(unit, [_time_of(unit, tour)])
    events = await unit.do(command)
    if events:
        await _leave(unit, tour, command.tour_id, "cancelled")
    return events


async def _leave(unit: Unit, tour: Tour, tour_id: UUID, reason: str) -> None:
    if tour.slot_id is not None:
        await unit.do(LeavePlace(tour.slot_id, tour_id, reason))


async def _busy(
    unit: Unit, agent: UUID | None, slot: SlotTime | None, tour_id: UUID
) -> UUID | None:
    if agent is None or slot is None:
        return None
    span = (slot.starts_at, slot.ends_at)
    return await tour_of_agent(unit.conn, unit.scope.org_id, agent, span, but=tour_id)


def _time_of(unit: Unit, tour: Tour) -> SlotTime | None:
    """The time a tour takes now; None where there is no such tour."""
    if tour.starts_at is None:
        return None
    return SlotTime(unit.scope.property_id, tour.starts_at, tour.duration_minutes, "UTC")
