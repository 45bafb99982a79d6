"""The planned actions of a person: what timers are going to do, and how each one is cancelled.

They are read from the timers and the log, so they are exactly what the workers are going to see.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from events.event import Event
from events.log import read
from events.log.connection import Connection
from events.record import RecordedEvent, Stream
from events.timers import TimerKind
from services.deciders import runs, tour_bookings, workflows
from services.deciders.delivery_state import OPEN, Delivery, evolve
from services.deciders.delivery_steps import describe_reason
from services.deciders.runs import Run
from services.deciders.workflows import Definition

MAX_ACTIONS = 200


class PlannedKind(StrEnum):
    """The kind of a planned action: a message, the step of a run, or the check of a tour."""

    MESSAGE = "message"
    STEP = "step"
    NO_SHOW_CHECK = "no_show_check"


@dataclass(frozen=True, slots=True)
class PlannedAction:
    """An action that a timer takes at `at` unless it is cancelled before.

    `entity_id` is that of the delivery, the run or the tour. `details` depend on the kind.
    """

    kind: PlannedKind
    at: datetime
    entity_id: UUID
    lead_id: UUID
    description: str
    details: Mapping[str, Any]


async def list_planned_actions(
    conn: Connection, org_id: UUID, lead_ids: Sequence[UUID]
) -> list[PlannedAction]:
    """Return the planned actions of a person, the next one first.

    `lead_ids` are all leads of the person.
    """
    rows = await conn.fetch(
        "SELECT kind, entity_id, due_at FROM crm.timers WHERE org_id = $1 AND (kind, entity_id) IN "
        "(SELECT entity_type, entity_id FROM public.crm_events WHERE lead_id = ANY($2::uuid[]) "
        "AND org_id = $1 AND entity_type = ANY($3::text[])) ORDER BY due_at, entity_id LIMIT $4",
        org_id,
        list(lead_ids),
        [kind.value for kind in TimerKind],
        MAX_ACTIONS,
    )
    if not rows:
        return []
    streams = [Stream(row["kind"], row["entity_id"]) for row in rows]
    histories = await _read_histories(conn, streams)
    actions = []
    for row, stream in zip(rows, streams, strict=True):
        action = await _describe(conn, row["kind"], row["due_at"], histories[stream])
        if action is not None:
            actions.append(action)
    return actions


async def _read_histories(
    conn: Connection, streams: Sequence[Stream]
) -> dict[Stream, list[RecordedEvent]]:
    histories: dict[Stream, list[RecordedEvent]] = {stream: [] for stream in streams}
    for recorded in await read.streams(conn, streams):
        histories[Stream(recorded.entity_type, recorded.entity_id)].append(recorded)
    return histories


async def _describe(
    conn: Connection, kind: str, at: datetime, history: Sequence[RecordedEvent]
) -> PlannedAction | None:
    """Return the action of a timer; None if its message is on the way already."""
    events = [recorded.event for recorded in history if isinstance(recorded.event, Event)]
    match kind:
        case TimerKind.DELIVERY:
            return _describe_message(at, events)
        case TimerKind.RUN:
            run = Run()
            for event in events:
                run = runs.evolve(run, event)
            return await _describe_step(conn, at, history[0].entity_id, run)
        case _:
            return _describe_no_show_check(at, history[0].entity_id, events)


def _describe_message(at: datetime, events: Sequence[Event]) -> PlannedAction | None:
    state = Delivery()
    for event in events:
        state = evolve(state, event)
    planned = state.planned
    if planned is None or state.status not in OPEN:
        return None
    description = f"{planned.channel} ({planned.purpose.replace('_', ' ')})"
    if state.reason is not None:
        description += f", {state.status}: {describe_reason(state.reason)}"
    details = {
        "channel": planned.channel.value,
        "purpose": planned.purpose.value,
        "run_id": planned.run_id,
        "tour_id": planned.tour_id,
    }
    return PlannedAction(
        PlannedKind.MESSAGE, at, planned.delivery_id, planned.lead_id, description, details
    )


async def _describe_step(
    conn: Connection, at: datetime, run_id: UUID, run: Run
) -> PlannedAction | None:
    if run.lead_id is None or run.definition_id is None:
        return None
    definition = Definition()
    for recorded in await read.streams(conn, [Stream("definition", run.definition_id)]):
        if isinstance(recorded.event, Event):
            definition = workflows.evolve(definition, recorded.event)
    content = definition.versions.get(run.definition_version)
    steps = content.steps if content else ()
    step = steps[run.step_number] if run.step_number < len(steps) else None
    name = content.display_name if content else "workflow"
    action = step.action.value.replace("_", " ") if step else "end"
    return PlannedAction(
        PlannedKind.STEP, at, run_id, run.lead_id, f"{name}, step {run.step_number + 1}: {action}",
        {
            "definition_id": run.definition_id,
            "step_number": run.step_number,
            "action": step.action.value if step else None,
            "template_slug": step.template_slug if step else None,
        },
    )  # fmt: skip


def _describe_no_show_check(
    at: datetime, tour_id: UUID, events: Sequence[Event]
) -> PlannedAction | None:
    tour = tour_bookings.decider.initial
    for event in events:
        tour = tour_bookings.decider.evolve(tour, event)
    if tour.lead_id is None:
        return None
    return PlannedAction(
        PlannedKind.NO_SHOW_CHECK, at, tour_id, tour.lead_id,
        "the tour becomes a no-show if nobody has completed it", {"starts_at": tour.starts_at},
    )  # fmt: skip
