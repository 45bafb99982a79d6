"""The steps that only wait: `wait` for elapsed hours, `wait_until` for a local time."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from pydantic import Field

from events.runs import StepOutcome
from events.workflows import Step, StepAction
from services.deciders.decider import Refused
from services.deciders.local_time import CLOCK, load_zone, parse_clock
from services.deciders.steps.step_type import (
    StepContext,
    StepDecision,
    StepOptions,
    StepType,
    add_delay,
)


class CalendarOptions(StepOptions):
    """The options of `wait_until`: `days` calendar days later, at a local time of the property.

    With 0 days it is the same day, or the next one if the time has passed.
    """

    at: Annotated[str, Field(pattern=f"^{CLOCK}$")]
    days: Annotated[int, Field(ge=0, le=366, strict=True)] = 0


def end_wait(_step: Step, _options: StepOptions, _context: StepContext) -> StepDecision:
    """Do nothing: the time has come."""
    return StepDecision(StepOutcome.WAITED)


def find_calendar_time(step: Step, after: datetime, zone: str | None) -> datetime:
    """Return the first such local time after the delay. Raises `Refused` without a zone."""
    options = WAIT_UNTIL.read_options(step)
    if zone is None:
        raise Refused(
            "no_time_zone", f"step {step.id} waits for a local time: set the property's timezone"
        )
    clock, earliest = parse_clock(options.at), add_delay(step, after, zone)
    day = earliest.astimezone(load_zone(zone)).date() + timedelta(days=options.days)
    instant = to_nearest_instant(day, clock or time(), zone)
    if instant < earliest:
        instant = to_nearest_instant(day + timedelta(days=1), clock or time(), zone)
    return instant


def to_nearest_instant(day: date, at: time, zone: str) -> datetime:
    """Return the instant of a local time; one that the clocks skip counts from before the change.

    So 02:30 of a spring night is 03:30, an hour that exists, and is not refused as for a tour.
    """
    return datetime.combine(day, at, load_zone(zone)).astimezone(UTC)


WAIT = StepType(StepAction.WAIT, StepOptions, end_wait)
WAIT_UNTIL = StepType(StepAction.WAIT_UNTIL, CalendarOptions, end_wait, due_time=find_calendar_time)
