"""`crm simulate`: send realistic traffic of some days of leasing to a running stack."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated
from uuid import UUID

from cyclopts import App, Parameter

from events.bus.topic_creation import create_topic
from events.bus.topics import Topics
from services.runtime.database import pooled
from services.runtime.settings import Settings
from services.runtime.stack_state import read_state
from services.runtime.terminal import Failure, examples, print_json, print_rows, progress_bar
from services.simulation.scenario import MAX_DURATION_SECONDS, Action, generate_actions
from services.simulation.simulated_property import SimulatedProperty
from services.simulation.simulator import SimulationPlan, SimulationResult, Through
from services.simulation.simulator import simulate as run_simulation

MAX_PROPERTIES = 100
DEFAULT_ZONE = "America/New_York"

app = App(
    name="simulate",
    help_epilogue=examples(
        "crm simulate --leads 100",
        "crm simulate --leads 1000 --rate 200 --seed 7 --property 0192…",
        "crm simulate --through both --property 0192… --key wk_… --token eyJ…",
    ),
    help_format="plaintext",
)


@app.default
def simulate(
    *,
    leads: int = 50,
    rate: float = 0,
    seed: int = 1,
    through: Through = "kafka",
    property_: Annotated[tuple[UUID, ...], Parameter(name="--property", negative="")] = (),
    key: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    token: str | None = None,
    url: str | None = None,
    start: datetime | None = None,
    json: bool = False,
) -> int:
    """Simulate visitors who chat, leave contact details, book tours and open e-mails.

    With Kafka, the events occurred in the days since --start: scores have a history.
    A repetition with the same seed and start changes nothing.
    With HTTP, everything happens now. With both, e-mail and calls come by Kafka.
    The exit code is 1 if the API refused something.

    Parameters
    ----------
    leads
        The number of visitors who become leads; the same number of others do not.
    rate
        Actions per second; 0 is as fast as possible.
    seed
        The same seed gives the same actions.
    through
        The channel: Kafka, HTTP, or both.
    property_
        A property id; repeat it for more. Default: all properties, at most 100 (Kafka only).
    key
        The widget key of each property, in the same order (HTTP).
    token
        A console token of the organisation (HTTP).
    url
        The address of the API. Default: that of the running stack.
    start
        The instant of the start (UTC without an offset). Default: midnight seven days ago.
    json
        Print one JSON document.
    """
    if leads < 1 or rate < 0:
        raise Failure(f"--leads is {leads} and --rate is {rate:g}: at least 1 and 0 are needed")
    if through != "kafka" and not (property_ and len(key) == len(property_) and token):
        raise Failure(
            "HTTP needs --property, a --key for each property, and --token: "
            "see `crm key issue` and `crm token`"
        )
    settings = Settings()
    properties = asyncio.run(_load_properties(settings, property_, key, token))
    plan = SimulationPlan(
        seed, leads, rate, through, _start_instant(start), properties,
        settings.brokers, Topics.of(settings.topic_prefix).intake,
        url or _api_url(settings),
    )  # fmt: skip
    result = _simulate_with_progress(settings, plan)
    status_counts = {str(code): count for code, count in sorted(result.status_counts.items())}
    summary = {"deeds": result.actions, "events": result.events, "answers": status_counts}
    print_json(summary) if json else print_rows([summary], list(summary))
    return 1 if any(code >= 400 for code in result.status_counts) else 0


def _simulate_with_progress(settings: Settings, plan: SimulationPlan) -> SimulationResult:
    with progress_bar() as bar:
        total = sum(1 for _ in generate_actions(plan.seed, plan.leads, len(plan.properties)))
        task = bar.add_task("simulating", total=total)
        return asyncio.run(_simulate(settings, plan, lambda _action: bar.advance(task)))


async def _simulate(
    settings: Settings, plan: SimulationPlan, advance: Callable[[Action], None]
) -> SimulationResult:
    make_topic = partial(
        create_topic,
        plan.bootstrap_servers,
        plan.topic,
        partitions=settings.topic_partitions,
        replicas=settings.topic_replicas,
    )
    await make_topic()
    return await run_simulation(replace(plan, create_topic=make_topic), advance)


def _start_instant(start: datetime | None) -> datetime:
    """Return the start in a time zone; by default early enough that nothing is in the future."""
    if start is not None:
        return start if start.tzinfo else start.replace(tzinfo=UTC)
    today = datetime.combine(datetime.now(UTC).date(), datetime.min.time(), UTC)
    return today - timedelta(seconds=MAX_DURATION_SECONDS + 86_400)


async def _load_properties(
    settings: Settings, ids: tuple[UUID, ...], keys: tuple[str, ...], token: str | None
) -> list[SimulatedProperty]:
    async with pooled(settings, "crm simulate") as pool:
        rows = await pool.fetch(
            "SELECT id, coalesce(settings ->> 'timezone', $2) AS zone FROM properties "
            "WHERE org_id IS NOT NULL AND (cardinality($1::uuid[]) = 0 OR id = ANY($1)) "
            "ORDER BY created_at, id LIMIT $3",
            list(ids), DEFAULT_ZONE, MAX_PROPERTIES,
        )  # fmt: skip
    zones = {row["id"]: row["zone"] for row in rows}
    if missing := [property_id for property_id in ids if property_id not in zones]:
        raise Failure(f"there is no property {missing[0]}: see `crm property list`")
    if not zones:
        raise Failure("there is no property: create one with `crm property create`")
    key_of = dict(zip(ids, keys, strict=False))
    return [
        SimulatedProperty(property_id, zones[property_id], key_of.get(property_id), token)
        for property_id in (ids or zones)
    ]


def _api_url(settings: Settings) -> str:
    state = read_state(settings.home)
    return (state and state.api_url) or f"http://{settings.http_host}:{settings.http_port}"
