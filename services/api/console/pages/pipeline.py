"""The pipeline: whether everything is up to date, and where events wait if it is not."""

from dataclasses import dataclass
from typing import NamedTuple

from starlette.responses import Response

from events.timers import TimerKind
from projections.catalog import LIVE
from services.api.console.endpoints import page_route
from services.api.console.page import Page
from services.application.pipeline_alarms import Alarm, find_alarms
from services.application.pipeline_reading import read_pipeline
from services.application.pipeline_state import MAX_COUNT, GroupState, PipelineState

DELAY_SECONDS = 5.0
"""Age of the oldest event that is not applied from which the tables are called behind."""

OTHER_PROCESSES = {
    "intake": "admits records of producers",
    "timers": "appends what time alone causes",
    "sender": "hands messages over",
    "replay_worker": "rebuilds tables on request",
    "api": "answers requests",
}
"""The processes that own no checkpoint, with what they do."""


@dataclass(frozen=True, slots=True)
class FlowPart:
    """A box of the picture: what it is, its number in words, and the page of what it counts.

    `state`: `ok`, `waiting` or `failed`. `x` and `y` are the place of its upper left corner.
    """

    name: str
    value: str
    state: str
    x: int
    y: int
    detail: str = ""
    page: str | None = None


class ProcessRow(NamedTuple):
    """A process: what it does now, in words, and how many sessions it has in the database."""

    name: str
    state: str
    text: str
    sessions: int


async def show_pipeline(page: Page) -> Response:
    """Show the flow from log to tables with what waits in each part."""
    state = await read_pipeline(page.context.pool, page.now)
    alarms = find_alarms(state, page.now)
    return page.render(
        "pipeline.html", answer=answer_of(state, alarms), alarms=alarms,
        parts=list_parts(state), processes=list_processes(state), state=state,
        shards=[shard for shard in state.projection.shards if shard.head or shard.reached],
    )  # fmt: skip


def answer_of(state: PipelineState, alarms: list[Alarm]) -> str:
    """Return the sentence that says how things are."""
    urgent = [alarm for alarm in alarms if alarm.is_urgent]
    if urgent:
        others = len(urgent) - 1
        more = f" ({others} more {'problem' if others == 1 else 'problems'} below)" * bool(others)
        return f"{urgent[0].text}{more}."
    projection = state.projection
    if projection.lag_seconds > DELAY_SECONDS:
        return (
            f"The tables are {count_text(projection.lag_events)} events behind, "
            f"the oldest has waited for {projection.lag_seconds:,.0f} s, and they catch up."
        )
    rate = f"{count_text(state.events_of_last_minute)} events in the last minute"
    text = f"Everything is up to date: {rate}, lag {projection.lag_seconds:.1f} s."
    if not alarms:
        return text
    what = "1 thing waits" if len(alarms) == 1 else f"{len(alarms)} things wait"
    return f"{text} {what} for a decision."


def list_parts(state: PipelineState) -> list[FlowPart]:
    """Return the boxes of the picture, in the direction of the flow."""
    refused, parked = sum(state.refused.values()), sum(state.parked.values())
    delivery = state.timer(TimerKind.DELIVERY)
    due = sum(timer.due for timer in state.timers if timer.kind != TimerKind.DELIVERY)
    relay, bus = state.relay, sum(state.bus_records.values())
    waiting = state.waiting_records
    return [
        FlowPart(
            "Appends", f"{count_text(state.events_of_last_minute)} a minute", "ok", 0, 0,
            "requests, records, timers",
        ),
        FlowPart(
            "Intake", f"{count_text(refused)} refused", "waiting" if refused else "ok", 0, 100,
            f"{count_text(waiting)} wait for their subject", "/console/refused?kind=dead",
        ),
        FlowPart("Log", f"{state.log.position:,}", "ok", 200, 50,
                 f"generation {state.log.generation}", "/console/events"),
        FlowPart(
            "Relay", f"{count_text(relay.behind)} behind", "ok" if relay.is_alive else "failed",
            400, 50, relay.name if relay.is_alive and relay.name else "no relay works",
        ),
        FlowPart("Bus", f"{bus:,} records", "ok", 600, 50, "topic crm.events"),
        FlowPart(
            "Projector", _lag_text(state.projection), _group_state(state.projection), 800, 0,
            f"{parked:,} parked", "/console/refused?kind=parked",
        ),
        FlowPart("Tables", f"{len(LIVE.tables)} tables", "ok", 1000, 0,
                 "versions and rows", "/console/projections"),
        FlowPart(
            "Policies", _lag_text(state.policies),
            "waiting" if state.policy_failures else _group_state(state.policies), 800, 100,
            f"{count_text(state.policy_failures)} failures",
        ),
        FlowPart("Timers", f"{count_text(due)} due", "ok", 1000, 100, "runs, tours, tasks"),
        FlowPart(
            "Sender", f"{count_text(delivery.due)} due", "waiting" if state.stops else "ok",
            1000, 200, f"{count_text(state.held_messages)} held",
        ),
    ]  # fmt: skip


def list_processes(state: PipelineState) -> list[ProcessRow]:
    """Return the processes that the database knows: owners of work, then sessions."""
    relay = state.relay
    rows = [
        ProcessRow(
            f"relay {relay.name or ''}".strip(), "ok" if relay.is_alive else "failed",
            f"has the lease, {count_text(relay.behind)} events behind" if relay.is_alive
            else "its lease has ended", state.sessions.get("crm relay", 0),
        )
    ]  # fmt: skip
    for process, group in (("projector", state.projection), ("workflows", state.policies)):
        owners = group.owners
        if not owners:
            rows.append(ProcessRow(
                process, "waiting", "owns no shard", state.sessions.get(f"crm {process}", 0)
            ))  # fmt: skip
        for owner, shards in owners.items():
            lag = sum(shard.lag_events for shard in shards)
            seconds = max(shard.lag_seconds for shard in shards)
            rows.append(ProcessRow(
                f"{process} {owner}", "ok" if seconds <= DELAY_SECONDS else "waiting",
                f"owns {len(shards)} shards, {count_text(lag)} events and {seconds:.1f} s behind",
                state.sessions.get(f"crm {process}", 0),
            ))  # fmt: skip
    for process, what in OTHER_PROCESSES.items():
        sessions = state.sessions.get(f"crm {process}", 0)
        text = what if sessions else "has no session in this database"
        rows.append(ProcessRow(process, "ok" if sessions else "waiting", text, sessions))
    return rows


def count_text(count: int) -> str:
    """Return a number that was counted up to a limit."""
    return f"{count:,} or more" if count >= MAX_COUNT else f"{count:,}"


def _lag_text(group: GroupState) -> str:
    return f"{group.lag_seconds:.1f} s, {count_text(group.lag_events)} events"


def _group_state(group: GroupState) -> str:
    if group.standstill is not None and group.standstill.shards:
        return "failed"
    return "ok" if group.lag_seconds <= DELAY_SECONDS else "waiting"


ROUTES = (page_route("/pipeline", show_pipeline, for_operators=True),)
