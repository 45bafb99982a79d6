"""Steps of slots: open, hold, release and close."""

from datetime import UTC, date, datetime, time, timedelta
from uuid import uuid4

from events.event import Event
from events.slots import SlotClosed, SlotHeld, SlotOpened, SlotReleased
from tests.replay_determinism.property import HistoryStep, PropertyModel

EVENTS = (SlotOpened, SlotHeld, SlotReleased, SlotClosed)
_SLOTS, _HOLDS = "slots", "holds of {}"


def open_slot(model: PropertyModel, step: HistoryStep) -> list[Event]:
    """Open a slot, or an existing one again with another capacity."""
    slot_ids = model.others.setdefault(_SLOTS, [])
    is_existing = slot_ids and step.variant % 4 == 0
    slot = slot_ids[step.target % len(slot_ids)] if is_existing else uuid4()
    if not is_existing:
        slot_ids.append(slot)
    start = datetime(2026, 6, 1, 13, step.variant, tzinfo=UTC)
    opened = SlotOpened(
        slot_id=slot, slot_date=date(2026, 6, 1), start_time=time(9, step.variant),
        end_time=time(10, step.variant), time_zone="America/New_York", fold=step.variant % 2,
        starts_at=start, duration_minutes=60, capacity=1 + step.target,
    )  # fmt: skip
    return [opened]


def use_slot(model: PropertyModel, step: HistoryStep) -> list[Event]:
    """Hold a place, with or without an expiry, release a hold, or close the slot."""
    slot_ids = model.others.get(_SLOTS)
    if not slot_ids:
        return []
    slot = slot_ids[step.target % len(slot_ids)]
    holds = model.others.setdefault(_HOLDS.format(slot), [])
    if step.variant % 3 == 0 and holds:
        return [SlotReleased(slot_id=slot, hold_id=holds.pop(step.variant % len(holds)),
                             reason=("expired", "cancelled")[step.variant % 2])]  # fmt: skip
    if step.variant == 1:
        return [SlotClosed(slot_id=slot, reason="blackout")]
    is_existing = holds and step.variant % 5 == 0
    hold = holds[-1] if is_existing else uuid4()
    if not is_existing:
        holds.append(hold)
    if step.variant % 2:
        session = model.sessions[step.variant % len(model.sessions)].id if model.sessions else None
        until = model.now + timedelta(minutes=10)
        return [SlotHeld(slot_id=slot, hold_id=hold, session_id=session, expires_at=until)]
    tour = model.tours[step.variant % len(model.tours)].id if model.tours else None
    return [SlotHeld(slot_id=slot, hold_id=hold, tour_id=tour)]
