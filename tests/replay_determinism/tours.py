"""Tours in a house: booked, and led through every transition there is."""

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
from tests.replay_determinism.property import HostProperty, Step, Tour

KINDS = (
    TourScheduled, TourConfirmed, TourRescheduled, TourAmended, TourCompleted, TourCancelled,
    TourNoShowRecorded, TourNoShowCorrected,
)  # fmt: skip
FIRST_DAY = date(2026, 3, 28)


def book(host_property: HostProperty, said: Step) -> list[Event]:
    lead_id = host_property.lead(said.whom)
    if lead_id is None:
        return []
    tour = Tour(uuid4(), lead_id)
    host_property.tours.append(tour)
    return [
        TourScheduled(
            **tour.ids, **_when(said.how), tour_type=list(TourType)[said.how % 3], source="widget",
            notes=None if said.how % 2 else 'ring "twice"', created_by=host_property.agent(said.how),
            assigned_agent_id=host_property.agent(said.whom),
        )
    ]  # fmt: skip


def go_on(host_property: HostProperty, said: Step) -> list[Event]:
    """The next thing that may happen to a tour as it stands."""
    if not host_property.tours:
        return []
    tour = host_property.tours[said.whom % len(host_property.tours)]
    by = host_property.agent(said.how)
    amended = TourAmended.model_validate(
        {**tour.ids, **({"tour_type": "virtual"} if said.how % 2 else {"notes": None})}
    )
    match tour.status:
        case TourStatus.SCHEDULED | TourStatus.CONFIRMED:
            moves: list[tuple[TourStatus, Event]] = [
                (TourStatus.NO_SHOW, TourNoShowRecorded(**tour.ids, recorded_by=by)),
                (TourStatus.CONFIRMED, TourConfirmed(**tour.ids, confirmed_by=by)),
                (TourStatus.COMPLETED, TourCompleted(**tour.ids, completed_by=by)),
                (TourStatus.CANCELLED, TourCancelled(**tour.ids, cancelled_by=by, reason="ill")),
                (TourStatus.SCHEDULED, _moved(tour, said)),
                (tour.status, amended),
            ]
        case TourStatus.NO_SHOW:
            back = (TourStatus.SCHEDULED, TourStatus.CONFIRMED, TourStatus.COMPLETED)
            moves = [(status, _corrected(tour, status)) for status in back]
        case _:
            moves = [(tour.status, amended)]
    tour.status, event = moves[said.how % len(moves)]
    return [event]


def _corrected(tour: Tour, status: TourStatus) -> Event:
    return TourNoShowCorrected.model_validate({**tour.ids, "status": status})


def _moved(tour: Tour, said: Step) -> TourRescheduled:
    tour.revision += 1
    return TourRescheduled(**tour.ids, **_when(said.how + 3), revision=tour.revision)


def _when(how: int) -> dict[str, Any]:
    day, at = FIRST_DAY + timedelta(days=how), time(9 + how % 8, 30)
    return {
        "tour_date": day,
        "tour_time": at,
        "time_zone": "America/New_York",
        "fold": how % 2,
        "starts_at": datetime.combine(day, at, UTC) + timedelta(hours=4),
        "duration_minutes": 30 + how,
    }
