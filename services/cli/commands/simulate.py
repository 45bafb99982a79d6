"""`crm simulate`: a believable day of leasing, sent to a running stack."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from cyclopts import App, Parameter
from rich.progress import Progress

from events.bus.publish import create_topic
from events.bus.topics import Topics
from services.runtime.database import pooled
from services.runtime.settings import Settings
from services.runtime.stack_state import read_state
from services.runtime.terminal import NOTES, Failure, examples, print_json, print_rows
from services.simulation.property import Home
from services.simulation.scenario import LONGEST_STORY_SECONDS, Deed, stories
from services.simulation.simulator import Plan, Simulated, Through
from services.simulation.simulator import simulate as play

HOMES_AT_MOST = 100
ZONE = "America/New_York"

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
    """Let visitors chat, leave contacts, book and miss tours, open mails; the same for a seed.

    Through Kafka it all happened in the days since `--start`, so that scores have a history, and
    the same again is recognised. Through HTTP it happens now; mail and calls come by Kafka where
    both are asked for. Exit code 1 where the API refused something.

    Parameters
    ----------
    leads
        How many visitors leave a contact; about as many more do not.
    rate
        Deeds a second; 0: as fast as it goes.
    property_
        Where; once for each property. Without: all there are, at most 100 (Kafka only).
    key
        The widget key of each property, in the same order (HTTP).
    token
        A console token of the organisation (HTTP).
    url
        The API; without: that of the running stack.
    start
        When it begins; without: seven days before today, UTC.
    """
    if leads < 1 or rate < 0:
        raise Failure("--leads is at least 1, --rate at least 0")
    if through != "kafka" and not (property_ and len(key) == len(property_) and token):
        raise Failure(
            "HTTP needs --property, a --key for each, and --token: "
            "see `crm key issue` and `crm token`"
        )
    settings = Settings()
    began = start or datetime.combine(datetime.now(UTC).date(), datetime.min.time(), UTC)
    began = began if began.tzinfo else began.replace(tzinfo=UTC)
    if start is None:
        began -= timedelta(seconds=LONGEST_STORY_SECONDS + 86_400)
    plan = Plan(
        seed, leads, rate, through, began,
        asyncio.run(_homes(settings, property_, key, token)),
        settings.kafka_bootstrap_servers, Topics.of(settings.topic_prefix).intake,
        url or _api(settings),
    )  # fmt: skip
    with Progress(console=NOTES, transient=True) as bar:
        total = sum(1 for _ in stories(seed, leads, len(plan.homes)))
        task = bar.add_task("simulating", total=total)
        done = asyncio.run(_play(settings, plan, lambda _deed: bar.advance(task)))
    answers = {str(status): count for status, count in sorted(done.answers.items())}
    said: dict[str, Any] = {"deeds": done.deeds, "events": done.events, "answers": answers}
    print_json(said) if json else print_rows([said], list(said))
    return 1 if any(status >= 400 for status in done.answers) else 0


async def _play(settings: Settings, plan: Plan, advance: Callable[[Deed], None]) -> Simulated:
    await create_topic(
        plan.bootstrap_servers,
        plan.topic,
        partitions=settings.topic_partitions,
        replicas=settings.topic_replicas,
    )
    return await play(plan, advance)


async def _homes(
    settings: Settings, wanted: tuple[UUID, ...], keys: tuple[str, ...], token: str | None
) -> list[Home]:
    async with pooled(settings, "crm simulate") as pool:
        rows = await pool.fetch(
            "SELECT id, coalesce(settings ->> 'timezone', $2) AS zone FROM properties "
            "WHERE org_id IS NOT NULL AND (cardinality($1::uuid[]) = 0 OR id = ANY($1)) "
            "ORDER BY created_at, id LIMIT $3",
            list(wanted), ZONE, HOMES_AT_MOST,
        )  # fmt: skip
    zones = {row["id"]: row["zone"] for row in rows}
    if missing := [one for one in wanted if one not in zones]:
        raise Failure(f"there is no property {missing[0]}: see `crm property list`")
    if not zones:
        raise Failure("there is no property to visit: make one with `crm property create`")
    key_of = dict(zip(wanted, keys, strict=False))
    return [Home(one, zones[one], key_of.get(one), token) for one in (wanted or zones)]


def _api(settings: Settings) -> str:
    state = read_state(settings.home)
    running = state.urls.get("api") if state else None
    return running or f"http://{settings.http_host}:{settings.http_port}"
