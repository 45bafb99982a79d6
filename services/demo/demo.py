"""What the demo does, step by step, on a stack that runs."""

import asyncio
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx2
import orjson
from rich.table import Table

from events.bus.topics import Topics
from services.demo.progress import Gauge
from services.local_stack.stack import Stack
from services.runtime.database import pooled
from services.runtime.settings import as_environment
from services.runtime.terminal import NOTES, SCREEN, Failure
from services.simulation.property import Home
from services.simulation.scenario import LONGEST_STORY_SECONDS, Deed
from services.simulation.simulator import Plan, Simulated, Through, simulate

HOUSES = (
    ("Maple House", "America/New_York"),
    ("Lakeview Lofts", "America/Chicago"),
    ("Mesa Gardens", "America/Phoenix"),
)
HTTP_LEADS, HTTP_RATE = 30, 25.0
KAFKA_LEADS, KAFKA_RATE = 200, 120.0
TOURS_AT_ONCE = 50
"""Visitors of a demo come in crowds: none is to be turned away."""
LEVEL_SECONDS = 60.0
KEY_TRIES = 100
CHAT = "/api/lumaleasing/chat"


@dataclass(frozen=True, slots=True)
class Ending:
    """What the demo found at its end."""

    equal: bool


class Story:
    """The demo on one running stack."""

    def __init__(self, stack: Stack, seed: int) -> None:
        self.stack, self.seed = stack, seed
        self.env = {**os.environ, **as_environment(stack.settings)}

    async def tell(self) -> Ending:
        """Raises `Failure` where a step does not end well."""
        homes, token = await self._move_in()
        async with pooled(self.stack.settings, "crm demo", size=3) as pool:
            gauge = Gauge(pool)
            await self._day(gauge, homes)
            await self._run("replay", "rebuild", "lead_scores")
            verified = await self._crm("replay", "verify")
            self._verdict(verified)
            await self._hottest(pool, token)
        return Ending(bool(verified["equal"]))

    async def _move_in(self) -> tuple[list[Home], str]:
        """Three properties of one organisation, their widget keys, and a person to log in as."""
        NOTES.rule("three properties, a widget key each, somebody to log in")
        homes: list[tuple[str, str, str]] = []
        org: list[str] = []
        for name, zone in HOUSES:
            made = await self._crm("property", "create", "--name", name, "--timezone", zone, *org)
            org = ["--org", made["org_id"]]
            key = await self._crm(
                "key", "issue", made["property_id"], "--tour-capacity", str(TOURS_AT_ONCE)
            )
            homes.append((made["property_id"], zone, key["key"]))
        token = (await self._crm("token", *org, "--role", "manager"))["token"]
        return [Home(UUID(one), zone, key, token) for one, zone, key in homes], token

    async def _day(self, gauge: Gauge, homes: list[Home]) -> None:
        """Traffic through both doors; in the middle the projector is killed."""
        NOTES.rule("a day of leasing: HTTP and Kafka at once, the projector killed half way")
        await self._key_opens(homes)
        deeds = 0

        def counted(_deed: Deed) -> None:
            nonlocal deeds
            deeds += 1

        async with gauge.live():
            acting = asyncio.gather(
                simulate(self._plan(homes, HTTP_LEADS, HTTP_RATE, "both"), counted),
                simulate(self._plan(homes, KAFKA_LEADS, KAFKA_RATE, "kafka"), counted),
            )
            killing = asyncio.create_task(self._kill_half_way(gauge, acting))
            by_http, by_kafka = await acting
            await killing
            gauge.note = "waiting until the tables are level"
            await self._level(gauge)
            gauge.note = "level"
            gauge.last = await gauge.read()
        self._account(by_http, by_kafka)

    async def _kill_half_way(self, gauge: Gauge, acting: "asyncio.Future[Any]") -> None:
        await asyncio.wait([acting], timeout=8)
        projector = self.stack.children["projector"]
        gauge.note = f"SIGKILL to the projector (pid {projector.pid})"
        await asyncio.to_thread(projector.kill)
        await asyncio.wait([acting], timeout=3)
        gauge.note = "its successor takes the shards over"

    async def _key_opens(self, homes: list[Home]) -> None:
        """A key works as soon as the tables know it."""
        async with httpx2.AsyncClient(base_url=self.stack.api_url, timeout=10) as client:
            for home in homes:
                headers = {"X-API-Key": home.key or "", "X-Visitor-ID": "v_first"}
                for _ in range(KEY_TRIES):
                    said = {"message": "Hello?"}
                    asked = await client.post(CHAT, headers=headers, json=said)
                    if asked.status_code == httpx2.codes.OK:
                        break
                    await asyncio.sleep(0.1)
                else:
                    raise Failure(f"the widget key of {home.property_id} does not open")

    async def _level(self, gauge: Gauge) -> None:
        """Wait until intake, relay and projector have nothing left."""
        quiet, appended = 0, -1
        for _ in range(int(LEVEL_SECONDS / 0.25)):
            now = await gauge.read()
            quiet = quiet + 1 if now.lag_events == 0 and now.appended == appended else 0
            appended = now.appended
            if quiet >= 6:
                return
            await asyncio.sleep(0.25)
        raise Failure(f"the tables are not level after {LEVEL_SECONDS:g} s: see {self.stack.logs}")

    def _plan(self, homes: list[Home], leads: int, rate: float, through: Through) -> Plan:
        settings = self.stack.settings
        start = datetime.now(UTC) - timedelta(seconds=LONGEST_STORY_SECONDS + 60)
        return Plan(
            seed=self.seed if through == "kafka" else self.seed + 1,
            leads=leads,
            rate=rate,
            through=through,
            start=start,
            homes=homes,
            bootstrap_servers=settings.kafka_bootstrap_servers,
            topic=Topics.of(settings.topic_prefix).intake,
            url=self.stack.api_url,
        )

    def _account(self, by_http: Simulated, by_kafka: Simulated) -> None:
        answers = ", ".join(f"{n} × {status}" for status, n in sorted(by_http.answers.items()))
        sent = by_http.events + by_kafka.events
        NOTES.print(f"HTTP answered {answers}; Kafka took {sent} events")
        if any(status >= 500 for status in by_http.answers):
            raise Failure(f"the API failed: see {self.stack.logs}/api.log")

    def _verdict(self, verified: dict[str, Any]) -> None:
        table = Table("projection", "live rows", "rebuilt rows", "", box=None, pad_edge=False)
        for row in verified["tables"]:
            table.add_row(
                row["table"], f"{row['live_rows']:,}", f"{row['rebuilt_rows']:,}", row["result"]
            )
        SCREEN.print(table)

    async def _hottest(self, pool: asyncpg.Pool, token: str) -> None:
        """The lead to call first, as the console would show it."""
        lead = await pool.fetchval(
            "SELECT lead_id FROM (SELECT DISTINCT ON (lead_id) lead_id, total_score "
            "FROM lead_scores ORDER BY lead_id, scored_at DESC, revision DESC) AS now "
            "ORDER BY total_score DESC, lead_id LIMIT 1"
        )
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(base_url=self.stack.api_url, headers=headers) as client:
            score = (await client.get(f"/api/leadpulse/score?leadId={lead}")).json()["score"]
            timeline = (await client.get(f"/api/leads/{lead}/timeline")).json()
        NOTES.rule(f"the hottest lead: {score['totalScore']} ({score['scoreBucket']})")
        for factor in score["factors"]:
            SCREEN.print(f"  {factor['impact']:>4}  {factor['factor']}", highlight=False)
        NOTES.rule("its timeline, newest first")
        for item in timeline["items"][:14]:
            SCREEN.print(f"  {_line(item)}", highlight=False)

    async def _crm(self, *words: str) -> Any:
        """Run a command as a person would, and read what it prints for machines."""
        NOTES.print(f"$ crm {' '.join(words)}", style="dim", highlight=False)
        done = await asyncio.to_thread(self._call, (*words, "--json"), True)
        return orjson.loads(done)

    async def _run(self, *words: str) -> None:
        """Run a command and let it speak for itself."""
        NOTES.print(f"$ crm {' '.join(words)}", style="dim", highlight=False)
        await asyncio.to_thread(self._call, words, False)

    def _call(self, words: tuple[str, ...], capture: bool) -> bytes:
        done = subprocess.run(
            [sys.executable, "-m", "services.cli", *words],
            env=self.env,
            stdout=subprocess.PIPE if capture else None,
            check=False,
        )
        if done.returncode not in (0, 1) or not (done.stdout or not capture):
            raise Failure(f"crm {' '.join(words)} ended with {done.returncode}")
        return done.stdout or b""


def _line(item: dict[str, Any]) -> str:
    """A line of the timeline as a person reads it."""
    match item["kind"]:
        case "score":
            said = f"{item['total_score']} {item['score_bucket']}"
        case "engagement":
            said = f"{item['event_type']} {item['score_weight']:+d}"
        case "message":
            said = f"{item['author']}: {item['content']}"
        case "tour":
            said = f"{item['status']} on {item['tour_date']} at {item['tour_time']}"
        case _:
            said = item["description"] or item["type"]
    return f"{item['at'][11:19]}  {item['kind']:<10}  {said}"[:100]
