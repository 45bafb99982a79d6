"""Alarms: what of the pipeline needs an operator, and what to do about it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from events.timers import TimerKind
from services.application.alarm_texts import ALARM_TEXTS, AlarmText
from services.application.pipeline_state import GroupState, PipelineState
from services.application.pipeline_trend import Trend

OVERDUE = timedelta(minutes=5)
"""Time after which a due timer that nobody works on is reported."""
BEHIND_SECONDS = 60.0
"""Age of the oldest event that is not applied from which that is reported."""
TIMER_NAMES = {
    TimerKind.RUN: "Runs of workflows",
    TimerKind.TOUR: "Timers of tours",
    TimerKind.TASK: "Timers of tasks",
    TimerKind.DELIVERY: "Messages",
}
"""Kind of timer → what waits."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """A sentence about what is wrong, with its numbers, and the page that shows more.

    `is_urgent`: something stands still; otherwise something only waits for a decision.
    """

    code: str
    text: str
    is_urgent: bool = True
    page: str | None = None

    @property
    def texts(self) -> AlarmText:
        """The meaning and the action, as in the alert rules and in the runbook."""
        return ALARM_TEXTS[self.code]


def find_alarms(state: PipelineState, now: datetime, trend: Trend | None = None) -> list[Alarm]:
    """Return the alarms, the urgent ones first."""
    alarms = [
        *_relay_alarms(state), *_bus_alarms(state, trend),
        *_group_alarms(state.projection, "projector", "the tables"),
        *_group_alarms(state.policies, "workflows", "the policies"), *_timer_alarms(state, now),
        *_waiting_alarms(state),
    ]  # fmt: skip
    return sorted(alarms, key=lambda alarm: not alarm.is_urgent)


def _relay_alarms(state: PipelineState) -> list[Alarm]:
    alarms, relay, staged = [], state.relay, state.staged
    if not relay.is_alive:
        alarms.append(Alarm(
            "no_relay",
            f"No relay works, so new events get no position; {relay.behind:,} wait",
        ))  # fmt: skip
    if staged.refused:
        alarms.append(Alarm(
            "staged_refused",
            f"The log refuses {_count(staged.refused, 'change')} of the host's rows: "
            f"{staged.reason}",
        ))  # fmt: skip
    return alarms


def _bus_alarms(state: PipelineState, trend: Trend | None) -> list[Alarm]:
    if trend is None or not trend.is_bus_stuck or not state.relay.is_alive:
        return []
    waiting = _count(state.relay.unpublished, "event")
    return [Alarm("broker_unreachable", f"The broker takes nothing: {waiting} wait")]


def _group_alarms(group: GroupState, process: str, what: str) -> list[Alarm]:
    alarms = []
    # Without a relay nothing is numbered. That is an alarm of its own.
    if group.standstill is not None and group.standstill.shards:
        text = str(group.standstill)
        alarms.append(Alarm(
            f"{process}_standstill", text[:1].upper() + text[1:],
        ))  # fmt: skip
    elif group.lag_seconds > BEHIND_SECONDS:
        alarms.append(Alarm(
            f"{process}_behind",
            f"{what[:1].upper()}{what[1:]} are {group.lag_seconds:,.0f} s behind, and work goes on",
        ))  # fmt: skip
    if group.beyond_log:
        alarms.append(Alarm(
            f"{process}_beyond_log",
            f"The checkpoints of {len(group.beyond_log)} shards are beyond the log, "
            f"which was restored without {what}",
        ))  # fmt: skip
    if group.generations:
        alarms.append(Alarm(
            f"{process}_generation",
            f"{what[:1].upper()}{what[1:]} were made from another generation of the log",
        ))  # fmt: skip
    if group.versions - {group.build_version}:
        alarms.append(Alarm(
            f"{process}_version", f"{what[:1].upper()}{what[1:]} are not of this build",
            page="/console/projections",
        ))  # fmt: skip
    return alarms


def _timer_alarms(state: PipelineState, now: datetime) -> list[Alarm]:
    alarms = []
    for kind, what in TIMER_NAMES.items():
        timer = state.timer(kind)
        if timer.due and timer.first_at is not None and now - timer.first_at > OVERDUE:
            minutes = (now - timer.first_at) // timedelta(minutes=1)
            alarms.append(Alarm(
                "overdue_delivery" if kind is TimerKind.DELIVERY else "overdue",
                f"{what} are due for {minutes:,} minutes, and nobody works on them "
                f"({timer.due:,} in all)",
            ))  # fmt: skip
    return alarms


def _waiting_alarms(state: PipelineState) -> list[Alarm]:
    alarms = []
    for stop in state.stops:
        scope = "All messages" if stop.property_id is None else "The messages of a property"
        alarms.append(Alarm(
            "stopped",
            f"{scope} are stopped since {stop.stopped_at:%d %b %H:%M} UTC by {stop.stopped_by}: "
            f"{stop.reason}",
            is_urgent=False,
        ))  # fmt: skip
    if parked := sum(state.parked.values()):
        alarms.append(Alarm(
            "parked",
            f"{_count(parked, 'event')} could not be applied, and {state.parked_behind:,} wait "
            "behind them",
            False, "/console/refused",
        ))  # fmt: skip
    if refused := sum(state.refused.values()):
        alarms.append(Alarm(
            "refused", f"Refused: {_count(refused, 'record')} of producers",
            False, "/console/refused",
        ))  # fmt: skip
    if state.unknown_messages:
        alarms.append(Alarm(
            "unknown",
            f"It is not known whether {_count(state.unknown_messages, 'message')} left", False,
        ))  # fmt: skip
    if state.policy_failures:
        alarms.append(Alarm(
            "policy_failures",
            f"Policies could not act because of {_count(state.policy_failures, 'event')}",
            False,
        ))  # fmt: skip
    return alarms


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"
