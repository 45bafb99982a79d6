"""The messages of a tour: which ones there are, when they are due, and for which revision.

The id of a message is derived from the tour, its revision, the purpose and the channel. So the
same tour plans each of its messages once, however often the decision is repeated.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID, uuid5

from events.deliveries import DeliveryPurpose
from events.event import Event
from events.tours import (
    TourCancelled,
    TourConfirmed,
    TourNoShowCorrected,
    TourRescheduled,
    TourScheduled,
    TourStatus,
)
from events.workflows import MessageChannel
from services.deciders.tours import LIVE, Tour

WIDGET = "widget"
"""The source of tours that visitors book themselves: these are always confirmed."""
REMINDERS = {
    DeliveryPurpose.TOUR_REMINDER_24H: timedelta(hours=24),
    DeliveryPurpose.TOUR_REMINDER_1H: timedelta(hours=1),
}
"""Purpose → the time before the start of the tour."""
NOTICES = (
    DeliveryPurpose.TOUR_CONFIRMATION,
    DeliveryPurpose.TOUR_CHANGE,
    DeliveryPurpose.TOUR_CANCELLATION,
)
"""The purposes of messages about what just happened to a tour."""
TEMPLATE_OF = {
    DeliveryPurpose.TOUR_CONFIRMATION: "tour-confirmation",
    DeliveryPurpose.TOUR_CHANGE: "tour-change",
    DeliveryPurpose.TOUR_CANCELLATION: "tour-cancellation",
    DeliveryPurpose.TOUR_REMINDER_24H: "tour-reminder-24h",
    DeliveryPurpose.TOUR_REMINDER_1H: "tour-reminder-1h",
}
MOVED, CHANGED = "tour_moved", "tour_changed"
"""Keys of the reasons why a message of a tour is useless: another time, or another status."""


class TourMessage(NamedTuple):
    """A message of a tour on one channel."""

    delivery_id: UUID
    purpose: DeliveryPurpose
    channel: MessageChannel
    template_slug: str
    due_at: datetime


def find_notice(event: Event) -> DeliveryPurpose | None:
    """Return the purpose of the message that an event of a tour asks for; None if it asks for none.

    The lead is informed of a booking unless an agent decided otherwise, and of the rest if an
    agent decided so.
    """
    match event:
        case TourScheduled(source=source, send_confirmation=is_requested):
            return DeliveryPurpose.TOUR_CONFIRMATION if is_requested or source == WIDGET else None
        case TourConfirmed(send_notification=True):
            return DeliveryPurpose.TOUR_CONFIRMATION
        case TourRescheduled(send_notification=True):
            return DeliveryPurpose.TOUR_CHANGE
        case TourCancelled(send_notification=True):
            return DeliveryPurpose.TOUR_CANCELLATION
        case _:
            return None


def has_reminders(event: Event) -> bool:
    """Return whether an event gives a tour a time of which its lead is reminded."""
    return isinstance(event, TourScheduled | TourRescheduled | TourNoShowCorrected)


def list_messages(
    tour_id: UUID, tour: Tour, notice: DeliveryPurpose | None, *, is_reminded: bool, now: datetime
) -> Iterator[TourMessage]:
    """Yield the messages that a tour needs now, on all channels; none if its time has passed."""
    if tour.starts_at is None or tour.starts_at <= now:
        return
    due: dict[DeliveryPurpose, datetime] = {}
    is_cancelled = tour.status is TourStatus.CANCELLED
    if notice is not None and is_cancelled is (notice is DeliveryPurpose.TOUR_CANCELLATION):
        due[notice] = now
    if is_reminded and tour.status in LIVE:
        for purpose, before in REMINDERS.items():
            if (reminder_at := tour.starts_at - before) > now:
                due[purpose] = reminder_at
    for purpose, due_at in due.items():
        for channel in MessageChannel:
            yield TourMessage(
                delivery_id_of(tour_id, tour.revision, purpose, channel), purpose, channel,
                f"{TEMPLATE_OF[purpose]}-{channel}", due_at,
            )  # fmt: skip


def delivery_id_of(
    tour_id: UUID, revision: int, purpose: DeliveryPurpose, channel: MessageChannel
) -> UUID:
    """Return the id of a message of a tour."""
    return uuid5(tour_id, f"{revision}/{purpose}/{channel}")


def find_end(tour: Tour, revision: int, purpose: DeliveryPurpose) -> tuple[str, str] | None:
    """Return key and text of the reason why a message of a revision is useless; None if it is not.

    A message about a cancellation is for a cancelled tour; all others are for a coming one.
    """
    if revision != tour.revision:
        return MOVED, "the tour has another time now"
    is_about_cancellation = purpose is DeliveryPurpose.TOUR_CANCELLATION
    if tour.status is TourStatus.CANCELLED if is_about_cancellation else tour.status in LIVE:
        return None
    return CHANGED, f"the tour is {tour.status}"
