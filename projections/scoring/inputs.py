"""What a score is made of: facts of one lead, small enough to keep beside it as JSON.

Instants are whole microseconds since 1970, so that memory, JSON and PostgreSQL agree exactly.
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
"""How long an engagement counts; days are 24 hours."""


class ScoringInputs(TypedDict):
    """`window`: [instant, weight] of the last 30 days in order; `engagements`: all there were.

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
    return (instant - EPOCH) // MICROSECOND


@lru_cache(maxsize=4_096)
def instant(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)


def engaged(inputs: ScoringInputs, at: int, weight: int, now: int) -> None:
    """An engagement happened at `at`; one that has left the window by `now` only counts as one."""
    inputs["engagements"] += 1
    if at > now - WINDOW:
        insort(inputs["window"], [at, weight])


def disengaged(inputs: ScoringInputs, at: int, weight: int) -> None:
    """An engagement turned out not to have happened."""
    inputs["engagements"] -= 1
    if [at, weight] in inputs["window"]:
        inputs["window"].remove([at, weight])


def expire(inputs: ScoringInputs, now: int) -> None:
    """Forget engagements that no longer count: an instant never comes back."""
    window, low = inputs["window"], now - WINDOW
    if not window or window[0][0] > low:
        return
    gone = 0
    while gone < len(window) and window[gone][0] <= low:
        gone += 1
    del window[:gone]


def together(own: ScoringInputs, others: Iterable[ScoringInputs]) -> ScoringInputs:
    """The facts of one person who was taken for several leads: a copy.

    Who it is comes from the lead it is known by, `own`; what it did from all of them.
    """
    window, tours = [*own["window"]], {**own["tours"]}
    engagements = own["engagements"]
    for other in others:
        window += other["window"]
        engagements += other["engagements"]
        tours = {**other["tours"], **tours}
    window.sort()
    return {**own, "window": window, "engagements": engagements, "tours": tours}
