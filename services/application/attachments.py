"""The attachments of messages: the invitation to a tour, built when the message is handed over."""

from events.deliveries import DeliveryChannel, DeliveryPlanned, DeliveryPurpose
from events.record import Stream
from projections import tours
from services.adapters.provider import Attachment
from services.application.invitations import MEDIA_TYPE, build_calendar_file, build_invitation
from services.application.rows import build_row
from services.application.unit_of_work import UnitOfWork
from services.host import load_property

FILE_NAME = "tour.ics"
_WITH_INVITATION = (
    DeliveryPurpose.TOUR_CONFIRMATION,
    DeliveryPurpose.TOUR_CHANGE,
    DeliveryPurpose.TOUR_CANCELLATION,
)


async def build_attachments(
    uow: UnitOfWork, planned: DeliveryPlanned, recipient: str
) -> tuple[Attachment, ...]:
    """Return the files of a planned message to `recipient`.

    An e-mail about a booked, moved or cancelled tour has the tour's invitation. It is built from
    the tour's stream, so it has the time and the number of the newest change.
    """
    if planned.channel is not DeliveryChannel.EMAIL or planned.purpose not in _WITH_INVITATION:
        return ()
    if planned.tour_id is None:
        return ()
    history = await uow.history(Stream("tour", planned.tour_id))
    row = build_row(tours.projection, planned.tour_id, history)
    if row is None:
        return ()
    host_property = await load_property(uow.conn, uow.scope.property_id)
    invitation = build_invitation(row, host_property, recipient)
    content_type = f"{MEDIA_TYPE}; method={invitation.method}; charset=utf-8"
    return (Attachment(FILE_NAME, content_type, build_calendar_file(invitation)),)
