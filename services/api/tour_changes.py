"""The commands of a request that changes a tour."""

from typing import Any
from uuid import UUID

from events.record import Stream
from events.tours import TourStatus
from projections import tours
from services.api.schemas.tours import TourChangeRequest
from services.application.rows import build_row
from services.application.tours import change_tour, execute_tour_command
from services.application.unit_of_work import UnitOfWork
from services.deciders import tour_outcomes
from services.deciders.decider import Refused, UnknownSubject
from services.deciders.local_time import When
from services.deciders.tour_bookings import AmendTour, RescheduleTour
from services.deciders.tour_outcomes import (
    CancelTour,
    CompleteTour,
    ConfirmTour,
    CorrectNoShow,
    RecordNoShow,
)
from services.host import load_property


async def execute_tour_changes(
    uow: UnitOfWork, body: TourChangeRequest, lead_id: UUID, user_id: UUID
) -> None:
    """Move the tour, amend it and set its status, as far as the request says so."""
    move = await _build_move(uow, body, lead_id, user_id)
    await change_tour(uow, move, _build_amendment(body, lead_id, user_id))
    if body.status is not None:
        await _set_status(uow, body, body.status, lead_id, user_id)


async def build_tour_row(uow: UnitOfWork, tour_id: UUID) -> dict[str, Any] | None:
    """Return the tour's row as it is after the decisions of the unit of work."""
    return build_row(tours.projection, tour_id, await uow.history(Stream("tour", tour_id)))


async def _build_move(
    uow: UnitOfWork, body: TourChangeRequest, lead_id: UUID, user_id: UUID
) -> RescheduleTour | None:
    """Return the command to move the tour; None if the request contains no time.

    A tour that keeps its local time also keeps its time zone, even if the property's has changed.
    """
    if body.tour_date is None and body.tour_time is None and body.fold is None:
        return None
    row = await build_tour_row(uow, body.tour_id)
    if row is None:
        raise UnknownSubject(Stream("tour", body.tour_id))
    day, time = body.tour_date or row["tour_date"], body.tour_time or row["tour_time"]
    if (day, time) == (row["tour_date"], row["tour_time"]):
        zone, fold = row["time_zone"], row["fold"]
    else:
        host_property = await load_property(uow.conn, uow.scope.property_id)
        zone, fold = host_property.time_zone, 0
    fold = fold if body.fold is None else body.fold
    return RescheduleTour(
        body.tour_id, lead_id, at=uow.scope.at,
        when=When(day, time, zone, fold, row["duration_minutes"]),
        rescheduled_by=user_id, send_notification=body.send_notification,
    )  # fmt: skip


def _build_amendment(body: TourChangeRequest, lead_id: UUID, user_id: UUID) -> AmendTour:
    changes: dict[str, Any] = {}
    if body.tour_type is not None:
        changes["tour_type"] = body.tour_type
    if "notes" in body.model_fields_set:
        changes["notes"] = body.notes or None
    if "assigned_agent_id" in body.model_fields_set:
        changes["assigned_agent_id"] = body.assigned_agent_id
    return AmendTour(body.tour_id, lead_id, changes, user_id)


async def _set_status(
    uow: UnitOfWork, body: TourChangeRequest, status: TourStatus, lead_id: UUID, user_id: UUID
) -> None:
    """Execute the commands that bring the tour to the status. The decider knows which are valid.

    A no-show is corrected first: the console shows it as one status change, the log keeps both
    steps.
    """
    tour_id = body.tour_id
    current = (await uow.load(tour_outcomes.decider, tour_id)).status
    if status is current:
        return
    if current is TourStatus.NO_SHOW and status is not TourStatus.CANCELLED:
        corrected = status if status in (TourStatus.SCHEDULED, TourStatus.CONFIRMED) else None
        await uow.execute(CorrectNoShow(tour_id, lead_id, corrected, corrected_by=user_id))
        current = (await uow.load(tour_outcomes.decider, tour_id)).status
        if status is current:
            return
    match status:
        case TourStatus.CONFIRMED:
            await uow.execute(ConfirmTour(tour_id, lead_id, user_id, body.send_notification))
        case TourStatus.COMPLETED:
            await uow.execute(CompleteTour(tour_id, lead_id, user_id, at=uow.scope.at))
        case TourStatus.CANCELLED:
            command = CancelTour(tour_id, lead_id, None, user_id, body.send_notification)
            await execute_tour_command(uow, command)
        case TourStatus.NO_SHOW:
            await uow.execute(RecordNoShow(tour_id, lead_id, user_id, at=uow.scope.at))
        case TourStatus.SCHEDULED:
            raise Refused(
                "tour_state", f"a {current} tour cannot become scheduled again: book a new tour"
            )
