"""Slots in the law's histories: opened, held, left and closed as they would be."""

from datetime import UTC, date, datetime, time, timedelta
from uuid import uuid4

from events.event import Event
from events.slots import SlotClosed, SlotHeld, SlotOpened, SlotReleased
from tests.replay_determinism.property import HostProperty, Step

KINDS = (SlotOpened, SlotHeld, SlotReleased, SlotClosed)
_SLOTS, _HOLDS = "slots", "holds of {}"


def open_slot(host_property: HostProperty, said: Step) -> list[Event]:
    """A new slot, or one there is with another capacity."""
    known = host_property.others.setdefault(_SLOTS, [])
    again = known and said.how % 4 == 0
    slot = known[said.whom % len(known)] if again else uuid4()
    if not again:
        known.append(slot)
    start = datetime(2026, 6, 1, 13, said.how, tzinfo=UTC)
    opened = SlotOpened(
        slot_id=slot, slot_date=date(2026, 6, 1), start_time=time(9, said.how),
        end_time=time(10, said.how), time_zone="America/New_York", fold=said.how % 2,
        starts_at=start, duration_minutes=60, capacity=1 + said.whom,
    )  # fmt: skip
    return [opened]


def use_slot(host_property: HostProperty, said: Step) -> list[Event]:
    """A place is held, for good or for a while; left, by who held it; or the slot is closed."""
    known = host_property.others.get(_SLOTS)
    if not known:
        return []
    slot = known[said.whom % len(known)]
    holds = host_property.others.setdefault(_HOLDS.format(slot), [])
    if said.how % 3 == 0 and holds:
        return [SlotReleased(slot_id=slot, hold_id=holds.pop(said.how % len(holds)),
                             reason=("expired", "cancelled")[said.how % 2])]  # fmt: skip
    if said.how == 1:
        return [SlotClosed(slot_id=slot, reason="blackout")]
    again = holds and said.how % 5 == 0
    hold = holds[-1] if again else uuid4()
    if not again:
        holds.append(hold)
    if said.how % 2:
        session = (
            host_property.sessions[said.how % len(host_property.sessions)].id
            if host_property.sessions
            else None
        )
        until = host_property.now + timedelta(minutes=10)
        return [SlotHeld(slot_id=slot, hold_id=hold, session_id=session, expires_at=until)]
    tour = (
        host_property.tours[said.how % len(host_property.tours)].id if host_property.tours else None
    )
    return [SlotHeld(slot_id=slot, hold_id=hold, tour_id=tour)]
