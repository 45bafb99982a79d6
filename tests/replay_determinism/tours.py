"""Steps of tours: booking, and every transition of the status."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import uuid4

from events.event import Event
from events.tours import (
    TourAmended,
    TourCancelled,
    TourCompleted,
    TourConfirmed,
    TourNoShowCorrected,
    TourNoShowRecorded,
    TourRescheduled,
    TourScheduled,
    TourStatus,
    TourType,
)
from tests.replay_determinism.property import HistoryStep, PropertyModel, Tour

EVENTS = (
    TourScheduled, TourConfirmed, TourRescheduled, TourAmended, TourCompleted, TourCancelled,
    TourNoShowRecorded, TourNoShowCorrected,
)  # fmt: skip
FIRST_DAY = date(2026, 3, 28)


def book_tour(model: PropertyModel, step: HistoryStep) -> list[Event]:
    lead_id = model.lead(step.target)
    if lead_id is None:
        return []
    tour = Tour(uuid4(), lead_id)
    model.tours.append(tour)
    return [
        TourScheduled(
            **tour.ids, **_local_time(step.variant), tour_type=list(TourType)[step.variant % 3],
            source="widget", notes=None if step.variant % 2 else 'ring "twice"',
            created_by=model.agent(step.variant),
            assigned_agent_id=model.agent(step.target),
        )
    ]  # fmt: skip


def continue_tour(model: PropertyModel, step: HistoryStep) -> list[Event]:
    """Return a possible next event of a tour."""
    if not model.tours:
        return []
    tour = model.tours[step.target % len(model.tours)]
    by = model.agent(step.variant)
    amended = TourAmended.model_validate(
        {**tour.ids, **({"tour_type": "virtual"} if step.variant % 2 else {"notes": None})}
    )
    match tour.status:
        case TourStatus.SCHEDULED | TourStatus.CONFIRMED:
            moves: list[tuple[TourStatus, Event]] = [
                (TourStatus.NO_SHOW, TourNoShowRecorded(**tour.ids, recorded_by=by)),
                (TourStatus.CONFIRMED, TourConfirmed(**tour.ids, confirmed_by=by)),
                (TourStatus.COMPLETED, TourCompleted(**tour.ids, completed_by=by)),
                (TourStatus.CANCELLED, TourCancelled(**tour.ids, cancelled_by=by, reason="ill")),
                (TourStatus.SCHEDULED, _rescheduled(tour, step)),
                (tour.status, amended),
            ]
        case TourStatus.NO_SHOW:
            back = (TourStatus.SCHEDULED, TourStatus.CONFIRMED, TourStatus.COMPLETED)
            moves = [(status, _corrected(tour, status)) for status in back]
        case _:
            moves = [(tour.status, amended)]
    tour.status, event = moves[step.variant % len(moves)]
    return [event]


def _corrected(tour: Tour, status: TourStatus) -> Event:
    return TourNoShowCorrected.model_validate({**tour.ids, "status": status})


def _rescheduled(tour: Tour, step: HistoryStep) -> TourRescheduled:
    tour.revision += 1
    return TourRescheduled(**tour.ids, **_local_time(step.variant + 3), revision=tour.revision)


def _local_time(variant: int) -> dict[str, Any]:
    day, at = FIRST_DAY + timedelta(days=variant), time(9 + variant % 8, 30)
    return {
        "tour_date": day,
        "tour_time": at,
        "time_zone": "America/New_York",
        "fold": variant % 2,
        "starts_at": datetime.combine(day, at, UTC) + timedelta(hours=4),
        "duration_minutes": 30 + variant,
    }
