"""The use cases of moves: the runs of a definition move to another version, or one run restarts."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from events.log.live_runs import list_live_runs
from events.record import Stream
from services.application.unit_of_work import UnitOfWork
from services.deciders import runs, workflows
from services.deciders.decider import Refused, UnknownSubject
from services.deciders.run_moves import MoveRun, find_target
from services.deciders.runs import LIVE

MAX_RUNS = 1_000
"""Runs that one call looks at; the rest is moved by the next call."""
MAX_COUNTED = 1_000_000


class StepCount(NamedTuple):
    """The number of runs that wait at a step of one version and go on at a step of another one.

    `to_step` is None if the other version has no such step: these runs stay as they are.
    """

    from_version: int
    from_step: str
    to_step: str | None
    runs: int


@dataclass(frozen=True, slots=True)
class MoveRequest:
    """A move of the live runs of a definition to a version, by default to the newest one.

    Only the runs of `from_version`, or all. `steps` is old step id → new step id, for steps whose
    id has changed.
    """

    definition_id: UUID
    to_version: int | None = None
    from_version: int | None = None
    steps: Mapping[str, str] | None = None
    reason: str | None = None
    moved_by: UUID | None = None


class _Candidate(NamedTuple):
    run_id: UUID
    lead_id: UUID
    count_key: tuple[int, str, str | None]
    target: int | None


async def preview_move(uow: UnitOfWork, request: MoveRequest) -> list[StepCount]:
    """Return how many runs the move would move, by step. Raises `Refused`."""
    _, candidates = await _list_candidates(uow, request, MAX_COUNTED)
    return _count(candidates)


async def move_runs(uow: UnitOfWork, request: MoveRequest) -> list[StepCount]:
    """Move at most `MAX_RUNS` runs and return their counts; none when all are moved.

    Raises `Refused`.
    """
    version, candidates = await _list_candidates(uow, request, MAX_RUNS)
    moved = [candidate for candidate in candidates if candidate.target is not None]
    for candidate in moved:
        await uow.execute(MoveRun(
            candidate.run_id, candidate.lead_id, request.definition_id, version,
            candidate.target or 0, uow.scope.at, reason=request.reason, moved_by=request.moved_by,
        ))  # fmt: skip
    return _count(moved)


async def restart_run(
    uow: UnitOfWork, run_id: UUID, lead_id: UUID, step_number: int, *,
    reason: str | None = None, moved_by: UUID | None = None,
) -> None:  # fmt: skip
    """Let a live run go on at once at a step of its own version. Raises `Refused`."""
    run = await uow.load(runs.decider, run_id)
    if run.definition_id is None:
        raise UnknownSubject(Stream("run", run_id))
    await uow.execute(MoveRun(
        run_id, lead_id, run.definition_id, run.definition_version, step_number, uow.scope.at,
        restarts=True, reason=reason, moved_by=moved_by,
    ))  # fmt: skip


async def _list_candidates(
    uow: UnitOfWork, request: MoveRequest, limit: int
) -> tuple[int, list[_Candidate]]:
    """Return the version to move to, and the live runs of the others with their target."""
    definition = await uow.load(workflows.decider, request.definition_id)
    version = definition.version if request.to_version is None else request.to_version
    target_content = definition.versions.get(version)
    if target_content is None:
        raise Refused(
            "unknown_version", f"workflow {request.definition_id} has no version {version}", 404
        )
    ids = await list_live_runs(
        uow.conn, uow.scope.property_id, request.definition_id, except_version=version
    )
    found: list[_Candidate] = []
    movable = 0
    for start in range(0, len(ids), MAX_RUNS):
        batch = ids[start : start + MAX_RUNS]
        await uow.read_ahead(Stream("run", run_id) for run_id in batch)
        for run_id in batch:
            run = await uow.load(runs.decider, run_id)
            content = definition.versions.get(run.definition_version)
            is_chosen = request.from_version in (None, run.definition_version)
            if (run.status not in LIVE or run.lead_id is None or content is None
                    or run.definition_version == version or not is_chosen):  # fmt: skip
                continue
            target = find_target(content, target_content, run.step_number, request.steps or {})
            step_id = content.steps[min(run.step_number, len(content.steps) - 1)].id
            to_step = None if target is None else target_content.steps[target].id
            key = (run.definition_version, step_id, to_step)
            found.append(_Candidate(run_id, run.lead_id, key, target))
            movable += target is not None
            if movable == limit:
                return version, found
    return version, found


def _count(candidates: list[_Candidate]) -> list[StepCount]:
    counts = Counter(candidate.count_key for candidate in candidates)
    return [StepCount(*key, number) for key, number in sorted(counts.items(), key=str)]
