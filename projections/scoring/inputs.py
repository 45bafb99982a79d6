"""Scoring inputs: the values from which the score of one lead is computed, stored as JSON.

Instants are integers: microseconds since 1970. So memory, JSON and PostgreSQL agree exactly.
"""

from bisect import insort
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TypedDict

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DAY = 86_400_000_000
WINDOW = 30 * DAY
"""Time during which an engagement counts, in microseconds; a day has 24 hours."""


class ScoringInputs(TypedDict):
    """The scoring inputs of one lead.

    `window`: [instant, weight] of the engagements of the last 30 days, in order.
    `engagements`: number of all engagements ever.
    `tours`: tour id → [status, instant of its no-show or null].
    """

    created: int
    source: str | None
    email: bool
    phone: bool
    first_name: bool
    last_name: bool
    window: list[list[int]]
    engagements: int
    tours: dict[str, list[str | int | None]]


def micros(instant: datetime) -> int:
    """Return an instant in microseconds since 1970."""
    return (instant - EPOCH) // MICROSECOND


@lru_cache(maxsize=4_096)
def instant(micros: int) -> datetime:
    """Return the instant of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=micros)


def add_engagement(inputs: ScoringInputs, at: int, weight: int, now: int) -> None:
    """Add an engagement of the instant `at`; after the window it only increases the number."""
    inputs["engagements"] += 1
    if at > now - WINDOW:
        insort(inputs["window"], [at, weight])


def remove_engagement(inputs: ScoringInputs, at: int, weight: int) -> None:
    """Remove an engagement that did not take place, such as a corrected no-show."""
    inputs["engagements"] -= 1
    if [at, weight] in inputs["window"]:
        inputs["window"].remove([at, weight])


def expire(inputs: ScoringInputs, now: int) -> None:
    """Remove engagements that have left the window; `now` never decreases."""
    window, low = inputs["window"], now - WINDOW
    if not window or window[0][0] > low:
        return
    expired = 0
    while expired < len(window) and window[expired][0] <= low:
        expired += 1
    del window[:expired]


def combine(own: ScoringInputs, others: Iterable[ScoringInputs]) -> ScoringInputs:
    """Return the inputs of merged leads as a new object.

    Contact details and source are those of the surviving lead, `own`; engagements and tours are
    those of all leads.
    """
    window, tours = [*own["window"]], {**own["tours"]}
    engagements = own["engagements"]
    for other in others:
        window += other["window"]
        engagements += other["engagements"]
        tours = {**other["tours"], **tours}
    window.sort()
    return {**own, "window": window, "engagements": engagements, "tours": tours}
