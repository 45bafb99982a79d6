"""The decider of workflow runs: a run is paused, resumed or stopped by an agent."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias, assert_never
from uuid import UUID

from events.event import Event
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
)
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


Command: TypeAlias = PauseRun | ResumeRun | StopRun


@dataclass(frozen=True, slots=True)
class Run:
    """The state of a run.

    The rest of its delay is the time until `next_action_at`, or `remaining_seconds` if paused.
    """

    lead_id: UUID | None = None
    status: RunStatus = RunStatus.ACTIVE
    next_action_at: datetime | None = None
    remaining_seconds: int | None = None


def streams(command: Command) -> Sequence[Stream]:
    return [Stream("run", command.run_id)]


def evolve(state: Run, event: Event) -> Run:
    match event:
        case RunEnrolled():
            return Run(event.lead_id, next_action_at=event.next_action_at)
        case RunStepReached():
            return replace(state, next_action_at=event.next_action_at)
        case RunMoved():
            return replace(state, next_action_at=event.next_action_at, remaining_seconds=None)
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


def decide(command: Command, state: Run) -> list[Event]:
    if state.lead_id is None:
        raise UnknownSubject(Stream("run", command.run_id))
    if state.lead_id != command.lead_id:
        raise Refused("not_this_lead", f"run {command.run_id} does not belong to this lead", 404)
    if state.status not in LIVE:
        raise Refused("run_state", f"the run has ended, it is {state.status}")
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
        case _:
            assert_never(command)


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
    "run", (PauseRun, ResumeRun, StopRun), streams, Run(), evolve, decide
)
