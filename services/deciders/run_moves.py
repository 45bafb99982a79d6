"""The decider of moves: a run goes on at another step, or in another version of its definition."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from events.event import Event
from events.record import Stream
from events.runs import RunMoved, RunPaused
from events.workflows import WorkflowDefined
from services.deciders import runs, workflows
from services.deciders.decider import Decider, Refused, UnknownSubject
from services.deciders.runs import Run, RunStatus
from services.deciders.workflows import Definition, WorkflowContent


@dataclass(frozen=True, slots=True)
class MoveRun:
    """Let a run go on at a step of a version of its definition.

    The step is due when the present one would have been. With `restarts` it is due at once: so a
    run is restarted from a step. A paused run stays paused. Only forwards in one version, or into
    another version, is a step not repeated; a repeated step sends a new message.
    """

    run_id: UUID
    lead_id: UUID
    definition_id: UUID
    version: int
    step_number: int
    at: datetime
    restarts: bool = False
    reason: str | None = None
    moved_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """The state of the run and of its definition."""

    run: Run = field(default_factory=Run)
    definition: Definition = field(default_factory=Definition)


def streams(command: MoveRun) -> Sequence[Stream]:
    return [Stream("run", command.run_id), Stream("definition", command.definition_id)]


def evolve(state: Move, event: Event) -> Move:
    if isinstance(event, WorkflowDefined):
        return replace(state, definition=workflows.evolve(state.definition, event))
    return replace(state, run=runs.evolve(state.run, event))


def decide(command: MoveRun, state: Move) -> list[Event]:
    run = state.run
    runs.require_live(run, command.run_id, command.lead_id)
    content = state.definition.versions.get(command.version)
    if content is None or run.definition_id != command.definition_id:
        raise UnknownSubject(Stream("definition", command.definition_id))
    if command.step_number >= len(content.steps):
        raise Refused(
            "unknown_step", f"version {command.version} has {len(content.steps)} steps, counted "
            f"from 0: there is no step {command.step_number}", 400,
        )  # fmt: skip
    is_same = (command.version, command.step_number) == (run.definition_version, run.step_number)
    if is_same and not command.restarts:
        return []
    identity = {"run_id": command.run_id, "lead_id": command.lead_id}
    due_at = command.at if command.restarts else _due_time(command.at, run)
    moved = RunMoved(
        **identity, definition_version=command.version, step_number=command.step_number,
        next_action_at=due_at, reason=command.reason, moved_by=command.moved_by,
    )  # fmt: skip
    if run.status is not RunStatus.PAUSED:
        return [moved]
    remaining = runs.compute_remaining_seconds(command.at, due_at)
    return [moved, RunPaused(
        **identity, remaining_seconds=remaining, reason=command.reason, paused_by=command.moved_by
    )]  # fmt: skip


def _due_time(at: datetime, run: Run) -> datetime | None:
    """Return when the present step would be due; now for a run that waits for an event."""
    if run.waits_for is not None:
        return at
    if run.remaining_seconds is not None:
        return at + timedelta(seconds=run.remaining_seconds)
    return run.next_action_at


def find_target(
    old: WorkflowContent, new: WorkflowContent, step_number: int, mapping: Mapping[str, str]
) -> int | None:
    """Return the number of the step at which a run goes on in another version; None if unknown.

    It is the step with the id that `mapping` names for the present step, else with the same id.
    """
    if step_number >= len(old.steps):
        return None
    step_id = old.steps[step_number].id
    target_id = mapping.get(step_id, step_id)
    return next((n for n, step in enumerate(new.steps) if step.id == target_id), None)


decider: Decider[MoveRun, Move] = Decider("run", (MoveRun,), streams, Move(), evolve, decide)
