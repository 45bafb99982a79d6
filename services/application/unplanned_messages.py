"""The messages of coming tours that nobody planned, each with the reason."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from events.deliveries import DeliveryPurpose
from events.record import Stream
from events.tours import TourScheduled
from events.workflows import MessageChannel
from services.application.templates import find_template
from services.application.unit_of_work import UnitOfWork
from services.deciders import leads, tour_bookings
from services.deciders.deliveries import find_recipient
from services.deciders.leads import Lead
from services.deciders.tour_messages import (
    REMINDERS,
    TEMPLATE_OF,
    delivery_id_of,
    find_notice,
)
from services.deciders.tours import LIVE, Tour

MAX_TOURS = 50


@dataclass(frozen=True, slots=True)
class UnplannedMessage:
    """A message that a coming tour could have, and the reason why it was not planned."""

    tour_id: UUID
    purpose: DeliveryPurpose
    channel: MessageChannel
    reason: str
    explanation: str


async def list_unplanned_messages(
    uow: UnitOfWork, lead_ids: Sequence[UUID]
) -> list[UnplannedMessage]:
    """Return what the coming tours of a person lack. `lead_ids` are all leads of the person."""
    rows = await uow.conn.fetch(
        "SELECT entity_id FROM public.crm_events WHERE lead_id = ANY($1::uuid[]) "
        "AND property_id = $2 AND event_type = $3 ORDER BY seq DESC LIMIT $4",
        list(lead_ids),
        uow.scope.property_id,
        TourScheduled.name,
        MAX_TOURS,
    )
    await uow.read_ahead(Stream("tour", row["entity_id"]) for row in rows)
    found: list[UnplannedMessage] = []
    for row in rows:
        tour = await uow.load(tour_bookings.decider, row["entity_id"])
        if tour.status in LIVE and tour.starts_at is not None and tour.starts_at > uow.scope.at:
            found += await _list_of_tour(uow, row["entity_id"], tour)
    return found


async def _list_of_tour(uow: UnitOfWork, tour_id: UUID, tour: Tour) -> list[UnplannedMessage]:
    if tour.lead_id is None:
        return []
    lead = await uow.load(leads.decider, await uow.surviving_lead(tour.lead_id))
    history = await uow.history(Stream("tour", tour_id))
    booking = history[0].event
    is_confirmed = isinstance(booking, TourScheduled) and find_notice(booking) is not None
    found = []
    for purpose, channel in _purposes(tour):
        delivery_id = delivery_id_of(tour_id, tour.revision, purpose, channel)
        if await uow.history(Stream("delivery", delivery_id)):
            continue
        changed_at = history[-1].occurred_at
        reason = await _find_reason(uow, lead, tour, purpose, channel, changed_at, is_confirmed)
        found.append(UnplannedMessage(tour_id, purpose, channel, *reason))
    return found


def _purposes(tour: Tour) -> Iterator[tuple[DeliveryPurpose, MessageChannel]]:
    """Yield what a tour can have: after a move its confirmation is no longer expected."""
    first = (DeliveryPurpose.TOUR_CONFIRMATION,) if tour.revision == 1 else ()
    for purpose in (*first, *REMINDERS):
        for channel in MessageChannel:
            yield purpose, channel


async def _find_reason(
    uow: UnitOfWork,
    lead: Lead,
    tour: Tour,
    purpose: DeliveryPurpose,
    channel: MessageChannel,
    changed_at: datetime,
    is_confirmed: bool,
) -> tuple[str, str]:
    """Return key and text of the reason."""
    before = REMINDERS.get(purpose)
    if before is None and not is_confirmed:
        return "not_requested", "whoever booked the tour asked for no confirmation"
    if before is not None and tour.starts_at is not None and tour.starts_at - before <= changed_at:
        return "too_late", "its time had passed when the tour got its time"
    slug = f"{TEMPLATE_OF[purpose]}-{channel}"
    if find_recipient(lead, channel) is None:
        return "no_recipient", f"the lead has no address for {channel}"
    if await find_template(uow, slug) is None:
        return "template_inactive", f"the template {slug} is missing or not active: activate it"
    return "not_planned", (
        "when the tour got its time, the template was not active or the lead had no address; or "
        "the policies have not seen the tour yet"
    )
