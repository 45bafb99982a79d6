"""The facts of scoring, read back from the rows of a lead, its tours and its engagement."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from projections.scoring.inputs import ScoringInputs, micros


def inputs_of(
    lead: Mapping[str, Any],
    tours: Iterable[tuple[UUID, str]],
    window: Iterable[tuple[datetime, int]],
    engagements: int,
) -> ScoringInputs:
    """`window`: instant and weight of what may count; `engagements`: how much there ever was."""
    return {
        "created": micros(lead["created_at"]),
        "source": lead["source"],
        "email": _there(lead["email"]),
        "phone": _there(lead["phone"]),
        "first_name": _there(lead["first_name"]),
        "last_name": _there(lead["last_name"]),
        "window": sorted([micros(at), weight] for at, weight in window),
        "engagements": engagements,
        "tours": {str(tour): [status, None] for tour, status in tours},
    }


def _there(value: str | None) -> bool:
    return bool(value and value.strip())
