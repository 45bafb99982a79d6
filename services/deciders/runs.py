"""Runs: a lead's way through a workflow is paused, goes on, or is stopped by a person."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeAlias, assert_never
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
from services.deciders.fields import without_nulls


class RunStatus(StrEnum):
    """Where a run stands."""

    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"
    CONVERTED = "converted"
    STOPPED = "stopped"


LIVE = (RunStatus.ACTIVE, RunStatus.PAUSED)


@dataclass(frozen=True, slots=True)
class PauseRun:
    """Stand still from `at` on, and keep what is left of the delay."""

    run_id: UUID
    lead_id: UUID
    at: datetime
    reason: str | None = None
    paused_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class ResumeRun:
    """Go on from `at`, with what was left of the delay."""

    run_id: UUID
    lead_id: UUID
    at: datetime
    resumed_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class StopRun:
    """End early, whether the run goes or stands still."""

    run_id: UUID
    lead_id: UUID
    reason: str
    stopped_by: UUID | None = None


Command: TypeAlias = PauseRun | ResumeRun | StopRun


@dataclass(frozen=True, slots=True)
class Run:
    """A run; what is left of its delay is either until `next_action_at` or in seconds."""

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
        raise Refused("not_this_lead", f"run {command.run_id} is not one of this lead's", 404)
    if state.status not in LIVE:
        raise Refused("run_state", f"a {state.status} run has ended")
    match command:
        case PauseRun():
            if state.status is RunStatus.PAUSED:
                return []
            left = seconds_left(command.at, state.next_action_at)
            return [RunPaused.model_validate(_told(
                command, remaining_seconds=left, reason=command.reason,
                paused_by=command.paused_by,
            ))]  # fmt: skip
        case ResumeRun():
            if state.status is RunStatus.ACTIVE:
                return []
            return [RunResumed.model_validate(_told(
                command, next_action_at=_next(command.at, state), resumed_by=command.resumed_by
            ))]  # fmt: skip
        case StopRun():
            said = _told(command, reason=command.reason, stopped_by=command.stopped_by)
            return [RunStopped.model_validate(said)]
        case _:
            assert_never(command)


def seconds_left(at: datetime, until: datetime | None) -> int | None:
    """Whole seconds, rounded up; 0 for what is due already."""
    if until is None:
        return None
    return max(0, math.ceil((until - at).total_seconds()))


def _next(at: datetime, state: Run) -> datetime | None:
    """When a paused run goes on; one that was moved meanwhile has an instant of its own."""
    if state.remaining_seconds is not None:
        return at + timedelta(seconds=state.remaining_seconds)
    return None if state.next_action_at is None else max(at, state.next_action_at)


def _told(command: Command, **more: Any) -> dict[str, Any]:
    return {"run_id": command.run_id, "lead_id": command.lead_id, **without_nulls(**more)}


decider: Decider[Command, Run] = Decider(
    (PauseRun, ResumeRun, StopRun), streams, Run(), evolve, decide
)
