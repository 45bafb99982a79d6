"""The state of a run, and the decider that pauses, resumes, stops and ends it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias, assert_never
from uuid import UUID

from events.event import Event
from events.leads import LeadStatus
from events.record import Stream
from events.runs import (
    RunCompleted,
    RunConverted,
    RunEnrolled,
    RunMoved,
    RunPaused,
    RunResumed,
    RunStepReached,
    RunStopped,
    StepOutcome,
)
from events.workflows import StepAction
from services.deciders.decider import Decider, Refused, UnknownSubject


class RunStatus(StrEnum):
    """The status of a run."""

    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"
    CONVERTED = "converted"
    STOPPED = "stopped"


LIVE = (RunStatus.ACTIVE, RunStatus.PAUSED)


@dataclass(frozen=True, slots=True)
class PauseRun:
    """Pause the run at `at`; the rest of its delay is stored."""

    run_id: UUID
    lead_id: UUID
    at: datetime
    reason: str | None = None
    paused_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class ResumeRun:
    """Continue the run at `at` with the rest of its delay."""

    run_id: UUID
    lead_id: UUID
    at: datetime
    resumed_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class StopRun:
    """Stop the run early, active or paused."""

    run_id: UUID
    lead_id: UUID
    reason: str
    stopped_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class ExitRun:
    """End the run because of an occurrence; one that has ended already stays as it is.

    With a `status` the lead has reached it: the run is converted. `code` is the key of the reason.
    """

    run_id: UUID
    lead_id: UUID
    code: str
    reason: str
    status: LeadStatus | None = None


Command: TypeAlias = PauseRun | ResumeRun | StopRun | ExitRun


@dataclass(frozen=True, slots=True)
class Run:
    """The state of a run; `step_number` is the step that is due next.

    The rest of its delay is the time until `next_action_at`, or `remaining_seconds` if paused.
    `visits` counts how often each (version, step id) was done: a step that is done again after a
    restart sends a new message. `consumed` counts the occurrences for which the run has waited.
    """

    lead_id: UUID | None = None
    status: RunStatus = RunStatus.ACTIVE
    next_action_at: datetime | None = None
    remaining_seconds: int | None = None
    definition_id: UUID | None = None
    definition_version: int = 0
    step_number: int = 0
    waits_for: str | None = None
    tour_id: UUID | None = None
    visits: Mapping[tuple[int, str], int] = field(default_factory=dict)
    consumed: Mapping[str, int] = field(default_factory=dict)


def streams(command: Command) -> Sequence[Stream]:
    return [Stream("run", command.run_id)]


def evolve(state: Run, event: Event) -> Run:
    match event:
        case RunEnrolled():
            return Run(event.lead_id, next_action_at=event.next_action_at,
                       definition_id=event.definition_id,
                       definition_version=event.definition_version,
                       step_number=event.step_number or 0, tour_id=event.tour_id)  # fmt: skip
        case RunStepReached():
            return _after_step(state, event)
        case RunMoved():
            return replace(state, next_action_at=event.next_action_at, remaining_seconds=None,
                           definition_version=event.definition_version,
                           step_number=event.step_number, waits_for=None)  # fmt: skip
        case RunPaused():
            return replace(state, status=RunStatus.PAUSED, next_action_at=None,
                           remaining_seconds=event.remaining_seconds)  # fmt: skip
        case RunResumed():
            return replace(state, status=RunStatus.ACTIVE, remaining_seconds=None,
                           next_action_at=event.next_action_at)  # fmt: skip
        case RunStopped():
            return replace(state, status=RunStatus.STOPPED)
        case RunConverted():
            return replace(state, status=RunStatus.CONVERTED)
        case RunCompleted():
            return replace(state, status=RunStatus.COMPLETED)
        case _:
            return state


def _after_step(state: Run, event: RunStepReached) -> Run:
    following = event.next_step_number
    if event.outcome is StepOutcome.WAITING:
        return replace(state, next_action_at=event.next_action_at, waits_for=event.waits_for)
    key, consumed = (state.definition_version, event.step_id), state.consumed
    if event.action is StepAction.WAIT_FOR_EVENT and event.choice is not None:
        consumed = {**consumed, event.choice: consumed.get(event.choice, 0) + 1}
    return replace(
        state, next_action_at=event.next_action_at, waits_for=None,
        step_number=event.step_number + 1 if following is None else following,
        visits={**state.visits, key: state.visits.get(key, 0) + 1}, consumed=consumed,
    )  # fmt: skip


def decide(command: Command, state: Run) -> list[Event]:
    if isinstance(command, ExitRun) and state.status not in LIVE:
        return []
    require_live(state, command.run_id, command.lead_id)
    match command:
        case PauseRun():
            if state.status is RunStatus.PAUSED:
                return []
            return [RunPaused(
                run_id=command.run_id, lead_id=command.lead_id,
                remaining_seconds=compute_remaining_seconds(command.at, state.next_action_at),
                reason=command.reason, paused_by=command.paused_by,
            )]  # fmt: skip
        case ResumeRun():
            if state.status is RunStatus.ACTIVE:
                return []
            return [RunResumed(
                run_id=command.run_id, lead_id=command.lead_id,
                next_action_at=_next_action_at(command.at, state), resumed_by=command.resumed_by,
            )]  # fmt: skip
        case StopRun():
            return [RunStopped(
                run_id=command.run_id, lead_id=command.lead_id, reason=command.reason,
                stopped_by=command.stopped_by,
            )]  # fmt: skip
        case ExitRun(run_id=run_id, lead_id=lead_id, status=status):
            if status is not None:
                return [RunConverted(run_id=run_id, lead_id=lead_id, status=status)]
            return [RunStopped(
                run_id=run_id, lead_id=lead_id, reason=command.reason, code=command.code
            )]  # fmt: skip
        case _:
            assert_never(command)


def require_live(state: Run, run_id: UUID, lead_id: UUID) -> None:
    """Raise `Refused` unless the run exists, belongs to this lead and has not ended."""
    if state.lead_id is None:
        raise UnknownSubject(Stream("run", run_id))
    if state.lead_id != lead_id:
        raise Refused("not_this_lead", f"run {run_id} does not belong to this lead", 404)
    if state.status not in LIVE:
        raise Refused("run_state", f"the run has ended, it is {state.status}")


def compute_remaining_seconds(at: datetime, until: datetime | None) -> int | None:
    """Return whole seconds, rounded up; 0 if the instant has passed."""
    if until is None:
        return None
    return max(0, math.ceil((until - at).total_seconds()))


def _next_action_at(at: datetime, state: Run) -> datetime | None:
    """Return when a resumed run acts next; a run that was moved while paused has that instant."""
    if state.remaining_seconds is not None:
        return at + timedelta(seconds=state.remaining_seconds)
    return None if state.next_action_at is None else max(at, state.next_action_at)


decider: Decider[Command, Run] = Decider(
    "run", (PauseRun, ResumeRun, StopRun, ExitRun), streams, Run(), evolve, decide
)
