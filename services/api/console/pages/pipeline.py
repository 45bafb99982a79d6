"""The pipeline: whether everything is up to date, and where events wait if it is not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.responses import Response

from events.timers import TimerKind
from projections.catalog import LIVE
from services.api.console.endpoints import page_route
from services.api.console.page import Page
from services.api.console.pipeline_processes import (
    DELAY_SECONDS,
    count_events,
    count_text,
    list_processes,
    list_servers,
)
from services.api.console.trend_chart import draw_lags, draw_rates, draw_spark, list_minutes
from services.api.console.words import describe_count
from services.application.pipeline_alarms import Alarm, find_alarms
from services.application.pipeline_reading import read_pipeline
from services.application.pipeline_state import GroupState, PipelineState
from services.application.pipeline_trend import TRACKS, Peak, read_trend

SPARKS = {process: field for field, process in TRACKS.items()}
"""Process → the field of a sample that says how far it was behind."""


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


async def show_pipeline(page: Page) -> Response:
    """Show the flow from log to tables with what waits in each part."""
    state = await read_pipeline(page.context.pool, page.now)
    async with page.context.pool.acquire() as conn:
        trend = await read_trend(conn)
    alarms = find_alarms(state, page.now, trend)
    now = datetime.now(UTC)  # samples have the time of the database, not that of the core's clock
    return page.render(
        "pipeline.html", answer=answer_of(state, alarms), alarms=alarms,
        parts=list_parts(state, page.current.path("messages") if page.current else None),
        state=state, trend=trend, peaks=describe_peaks(trend.peaks),
        processes=[
            (row, draw_spark(trend.samples, now, SPARKS[row.process]))
            if row.process in SPARKS else (row, ())
            for row in list_processes(state)
        ],
        charts=(draw_lags(trend.samples, now), draw_rates(trend.samples, now)),
        minutes=list_minutes(trend.samples) if page.query.get("show") == "hour" else [],
        servers=list_servers(state, trend),
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
            f"The tables are {count_events(projection.lag_events)} behind, "
            f"the oldest has waited for {projection.lag_seconds:,.0f} s, and they catch up."
        )
    rate = f"{count_events(state.last_minute.total)} in the last minute"
    text = f"Everything is up to date: {rate}, lag {projection.lag_seconds:.1f} s."
    if not alarms:
        return text
    what = "1 thing waits" if len(alarms) == 1 else f"{len(alarms)} things wait"
    return f"{text} {what} for a decision."


def list_parts(state: PipelineState, messages_page: str | None = None) -> list[FlowPart]:
    """Return the boxes of the picture, in the direction of the flow.

    `messages_page` is the page of the messages of the property that the person looks at.
    """
    refused, parked = sum(state.refused.values()), sum(state.parked.values())
    delivery = state.timer(TimerKind.DELIVERY)
    due = sum(timer.due for timer in state.timers if timer.kind != TimerKind.DELIVERY)
    relay, bus = state.relay, sum(state.bus_records.values())
    waiting, minute = state.waiting_records, state.last_minute
    return [
        FlowPart(
            "HTTP", f"{count_text(minute.http)} a minute", "ok", 0, 0,
            f"{count_text(minute.total - minute.http - minute.intake)} by the core",
        ),
        FlowPart(
            "Intake", f"{count_text(minute.intake)} a minute",
            "waiting" if refused else "ok", 0, 100,
            f"{count_text(refused)} refused, {count_text(waiting)} wait",
            "/console/refused?kind=dead",
        ),
        FlowPart("Log", f"{state.log.position:,}", "ok", 200, 50,
                 f"generation {state.log.generation}", "/console/events"),
        FlowPart(
            "Relay", f"{count_text(relay.behind)} behind", "ok" if relay.is_alive else "failed",
            400, 50, relay.name if relay.is_alive and relay.name else "no relay works",
        ),
        FlowPart("Bus", describe_count(bus, "record"), "ok", 600, 50, "topic crm.events"),
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
            "Sender", f"{count_text(minute.messages)} a minute",
            "waiting" if state.stops else "ok", 1000, 200,
            f"{count_text(delivery.due)} due, {count_text(state.held_messages)} held",
            messages_page,
        ),
    ]  # fmt: skip


def describe_peaks(peaks: Sequence[Peak]) -> list[tuple[Peak, str]]:
    """Return each peak with its sentence, the latest first."""
    return [(peak, _describe_peak(peak)) for peak in reversed(peaks)]


def _describe_peak(peak: Peak) -> str:
    what = {
        "relay": "events got no position", "projector": "the tables were behind",
        "workflows": "the policies were behind", "timers": "timers were overdue",
    }[peak.process]  # fmt: skip
    reason = peak.reason or "the reason is not known"
    return f"{what} for up to {peak.seconds:,.0f} s: {reason}"


def _lag_text(group: GroupState) -> str:
    return f"{group.lag_seconds:.1f} s, {count_events(group.lag_events)}"


def _group_state(group: GroupState) -> str:
    if group.standstill is not None and group.standstill.shards:
        return "failed"
    return "ok" if group.lag_seconds <= DELAY_SECONDS else "waiting"


ROUTES = (page_route("/pipeline", show_pipeline, for_operators=True),)
