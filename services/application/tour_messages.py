"""The use case of a tour's messages: after each event of a tour, plan new ones and skip old ones.

It looks at the tour as it is now, not as it was at the event. So it may run late, twice, or after
a later event of the same tour, and the messages are the same.
"""

from datetime import datetime
from uuid import UUID

from events.deliveries import DeliveryChannel, DeliveryPlanned, DeliveryPurpose, MessageClass
from events.event import Event
from events.timers import TimerKind
from events.tours import TourScheduled
from services.application.deliveries import MessageDraft, render_message
from services.application.templates import ActiveTemplate, find_template
from services.application.unit_of_work import UnitOfWork
from services.deciders import hand_overs, tour_bookings
from services.deciders.decider import Refused
from services.deciders.deliveries import PlanDelivery
from services.deciders.delivery_state import OPEN
from services.deciders.hand_overs import SkipDelivery
from services.deciders.refused_deliveries import RefuseDelivery
from services.deciders.tour_messages import (
    MOVED,
    NOTICES,
    WIDGET,
    TourMessage,
    find_end,
    find_notice,
    has_reminders,
    list_messages,
)
from services.deciders.tours import Tour

MAX_PLANNED = 1_000
NO_RECIPIENT = "no_recipient"


async def update_tour_messages(
    uow: UnitOfWork, tour_id: UUID, event: Event, occurred_at: datetime
) -> None:
    """Skip the messages that an event of a tour made useless, and plan those that it needs.

    Only active templates are used. A notice that was not sent before the tour moved is planned
    again with the new time, so that the lead gets one in any case.
    """
    tour = await uow.load(tour_bookings.decider, tour_id)
    if tour.lead_id is None:
        return
    was_pending = await _skip_useless(uow, tour_id, tour, tour.lead_id)
    notice = find_notice(event)
    if notice is None and was_pending:
        notice = DeliveryPurpose.TOUR_CONFIRMATION
    messages = list_messages(
        tour_id, tour, notice, is_reminded=has_reminders(event), now=uow.scope.at
    )
    is_own_act = isinstance(event, TourScheduled) and event.source == WIDGET
    for message in messages:
        caused_at = occurred_at if is_own_act else None
        await _plan(uow, tour_id, tour, tour.lead_id, message, caused_at)


async def _plan(
    uow: UnitOfWork,
    tour_id: UUID,
    tour: Tour,
    lead_id: UUID,
    message: TourMessage,
    caused_at: datetime | None,
) -> None:
    """Plan a message if its template is active and the lead has an address on its channel.

    If a value of the text is missing, the message is stored as skipped, with the reason.
    """
    template = await find_template(uow, message.template_slug)
    if template is None or template.content.channel is not message.channel:
        return
    try:
        draft = MessageDraft(message.channel, template_slug=message.template_slug)
        rendered = await render_message(uow, lead_id, draft, tour_id)
        await uow.execute(PlanDelivery(
            message.delivery_id, lead_id, message.channel, message.purpose, message.due_at,
            rendered.body, rendered.subject, rendered.template_id, rendered.template_version,
            message_class=MessageClass.TRANSACTIONAL, useful_until=tour.starts_at,
            caused_at=caused_at if message.purpose in NOTICES else None, tour_id=tour_id,
            tour_revision=tour.revision,
        ))  # fmt: skip
    except Refused as refused:
        if refused.code != NO_RECIPIENT:
            await _refuse(uow, tour_id, tour, lead_id, message, template, refused)


async def _refuse(
    uow: UnitOfWork,
    tour_id: UUID,
    tour: Tour,
    lead_id: UUID,
    message: TourMessage,
    template: ActiveTemplate,
    refused: Refused,
) -> None:
    """Store why a message that was wanted cannot be made."""
    await uow.execute(RefuseDelivery(
        message.delivery_id, lead_id, DeliveryChannel(message.channel), message.purpose,
        message.due_at, refused.code, refused.message, template.template_id, template.version,
        tour_id, tour.revision,
    ))  # fmt: skip


async def _skip_useless(uow: UnitOfWork, tour_id: UUID, tour: Tour, lead_id: UUID) -> bool:
    """Skip the pending messages that no longer fit the tour.

    Return whether one of them was a notice about a time that the tour no longer has.
    """
    was_notice_pending = False
    for delivery_id in await _list_pending(uow, tour_id, lead_id):
        delivery = await uow.load(hand_overs.decider, delivery_id)
        planned = delivery.planned
        if planned is None or delivery.status not in OPEN:
            continue
        end = find_end(tour, planned.tour_revision or 0, planned.purpose)
        if end is None:
            continue
        await uow.execute(SkipDelivery(delivery_id, *end))
        if end[0] == MOVED and planned.purpose in NOTICES:
            was_notice_pending = True
    return was_notice_pending


async def _list_pending(uow: UnitOfWork, tour_id: UUID, lead_id: UUID) -> list[UUID]:
    """Return the deliveries of a tour that have a timer: nothing final happened to them yet."""
    leads = [lead_id, *await uow.leads_above(lead_id)]
    rows = await uow.conn.fetch(
        "SELECT event.entity_id FROM public.crm_events event JOIN crm.timers timer "
        "ON timer.kind = $1 AND timer.entity_id = event.entity_id "
        "WHERE event.lead_id = ANY($2::uuid[]) AND event.event_type = $3 "
        "AND event.property_id = $4 AND event.payload ->> 'tour_id' = $5 "
        "ORDER BY event.seq LIMIT $6",
        TimerKind.DELIVERY,
        leads,
        DeliveryPlanned.name,
        uow.scope.property_id,
        str(tour_id),
        MAX_PLANNED,
    )
    return [row["entity_id"] for row in rows]
