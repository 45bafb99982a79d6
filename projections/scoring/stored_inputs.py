"""Scoring inputs computed from the rows of a lead, its tours and its engagements."""

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
    """Return the scoring inputs of a lead.

    `tours`: id and status. `window`: instant and weight of the engagements that may count.
    `engagements`: number of all engagements ever.
    """
    return {
        "created": micros(lead["created_at"]),
        "source": lead["source"],
        "email": _is_filled(lead["email"]),
        "phone": _is_filled(lead["phone"]),
        "first_name": _is_filled(lead["first_name"]),
        "last_name": _is_filled(lead["last_name"]),
        "window": sorted([micros(at), weight] for at, weight in window),
        "engagements": engagements,
        "tours": {str(tour): [status, None] for tour, status in tours},
    }


def _is_filled(value: str | None) -> bool:
    return bool(value and value.strip())
