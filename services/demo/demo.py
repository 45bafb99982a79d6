"""The steps of the demo, on a running stack."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2

from events.bus.topics import Topics
from services.demo.commands import CommandRunner
from services.demo.demo_time import DemoTime
from services.demo.follow_ups import FollowUps, FollowUpSetup
from services.demo.local_providers import LocalProviders
from services.demo.progress import ProgressMonitor
from services.demo.results import find_best_lead, show_comparison, show_lead
from services.local_stack.stack import Stack
from services.runtime.database import pooled
from services.runtime.terminal import NOTES, Failure, note
from services.simulation.scenario import MAX_DURATION_SECONDS
from services.simulation.simulated_property import SimulatedProperty
from services.simulation.simulator import SimulationPlan, SimulationResult, Through, simulate

PROPERTIES = (
    ("Lakeview Lofts", "America/New_York"),
    ("Maple House", "America/Chicago"),
    ("Mesa Gardens", "America/Phoenix"),
)
"""The console opens the first by name: the one whose messages the demo shows."""
HTTP_LEADS, HTTP_RATE = 30, 25.0
KAFKA_LEADS, KAFKA_RATE = 200, 120.0
TOUR_CAPACITY = 50
"""Simulated visitors choose few hours: no booking of the demo may be refused as full."""
CATCH_UP_SECONDS = 60.0
CATCH_UP_PAUSE_SECONDS = 0.25
QUIET_READINGS = 6
KEY_ATTEMPTS = 100
CHAT = "/api/lumaleasing/chat"


@dataclass(frozen=True, slots=True)
class DemoResult:
    """The result of the demo: whether the live and the rebuilt rows are equal."""

    equal: bool


class Demo:
    """The demo on one running stack."""

    def __init__(
        self,
        stack: Stack,
        seed: int,
        providers: LocalProviders,
        demo_time: DemoTime,
        start: datetime,
    ) -> None:
        self.stack, self.seed = stack, seed
        self.providers, self.time, self.start = providers, demo_time, start
        self.commands = CommandRunner(stack.settings)

    async def run(self) -> DemoResult:
        """Run all steps; raise `Failure` if one fails."""
        properties, token = await self._create_properties()
        async with pooled(self.stack.settings, "crm demo", size=3) as pool:
            await self._wait_for_keys(properties)
            await FollowUps(
                FollowUpSetup(
                    str(properties[0].property_id), properties[0].key or "", token,
                    self.stack.api_url, self.providers, self.time,
                ),
                pool, self.commands, self.start,
            ).run()  # fmt: skip
            await self._send_traffic(ProgressMonitor(pool), properties)
            await self.commands.run("replay", "rebuild", "lead_scores")
            verified = await self.commands.read("replay", "verify")
            show_comparison(verified)
            lead = await find_best_lead(pool)
            NOTES.rule("the lead with the highest score")
            await show_lead(self.stack.api_url, token, lead)
            await self._erase(lead)
            await show_lead(self.stack.api_url, token, lead)
        return DemoResult(bool(verified["equal"]))

    async def _erase(self, lead: str) -> None:
        """Erase the person of a lead, and check the certificate."""
        NOTES.rule("forget this person: what will go, the erasure, and its certificate")
        erase = ("privacy", "erase", lead, "--reason", "request 7")
        await self.commands.run(*erase)
        await self.commands.run(*erase, "--yes")
        certificate = str(self.stack.logs / "certificate.json")
        await self.commands.run("privacy", "certificate", lead, "--out", certificate)
        await self.commands.run("privacy", "certificate", "--check", certificate)

    async def _create_properties(self) -> tuple[list[SimulatedProperty], str]:
        """Create three properties of one organisation, their widget keys, and a console token."""
        NOTES.rule("create three properties with a widget key each, and a console user")
        created: list[tuple[str, str, str]] = []
        org: list[str] = []
        for name, zone in PROPERTIES:
            made = await self.commands.read(
                "property", "create", "--name", name, "--timezone", zone, *org
            )
            org = ["--org", made["org_id"]]
            issued = await self.commands.read(
                "key", "issue", made["property_id"], "--tour-capacity", str(TOUR_CAPACITY)
            )
            created.append((made["property_id"], zone, issued["key"]))
        token = (await self.commands.read("token", *org, "--role", "manager"))["token"]
        return [
            SimulatedProperty(UUID(property_id), zone, key, token)
            for property_id, zone, key in created
        ], token

    async def _send_traffic(
        self, monitor: ProgressMonitor, properties: list[SimulatedProperty]
    ) -> None:
        """Send traffic by HTTP and by Kafka; kill the projector in the middle."""
        NOTES.rule("simulate leasing by HTTP and Kafka together; kill the projector half way")
        async with monitor.live():
            traffic = asyncio.gather(
                simulate(self._plan(properties, HTTP_LEADS, HTTP_RATE, "both")),
                simulate(self._plan(properties, KAFKA_LEADS, KAFKA_RATE, "kafka")),
            )
            crash = asyncio.create_task(self._kill_projector(monitor, traffic))
            by_http, by_kafka = await traffic
            await crash
            monitor.note = "waiting until the tables contain every event"
            await self._wait_until_caught_up(monitor)
            monitor.note = "the tables contain every event"
            monitor.last = await monitor.read()
        self._report(by_http, by_kafka)

    async def _kill_projector(
        self, monitor: ProgressMonitor, traffic: "asyncio.Future[Any]"
    ) -> None:
        await asyncio.wait([traffic], timeout=8)
        projector = self.stack.processes["projector"]
        monitor.note = f"sent SIGKILL to the projector (process {projector.pid})"
        await asyncio.to_thread(projector.kill)
        await asyncio.wait([traffic], timeout=3)
        monitor.note = "a new projector takes over the shards"

    async def _wait_for_keys(self, properties: list[SimulatedProperty]) -> None:
        """Wait until the API accepts each widget key: it reads them from a derived table."""
        async with httpx2.AsyncClient(base_url=self.stack.api_url, timeout=10) as client:
            for property_ in properties:
                headers = {"X-API-Key": property_.key or "", "X-Visitor-ID": "v_first"}
                for _ in range(KEY_ATTEMPTS):
                    message = {"message": "Hello?"}
                    response = await client.post(CHAT, headers=headers, json=message)
                    if response.status_code == httpx2.codes.OK:
                        break
                    await asyncio.sleep(0.1)
                else:
                    raise Failure(
                        f"the API refuses the widget key of property {property_.property_id}: "
                        f"see {self.stack.logs}/api.log"
                    )

    async def _wait_until_caught_up(self, monitor: ProgressMonitor) -> None:
        """Wait until intake, relay and projector have processed everything.

        The log alone does not show records that the intake has not read yet: several readings in a
        row must show no new event.
        """
        quiet, appended = 0, -1
        for _ in range(int(CATCH_UP_SECONDS / CATCH_UP_PAUSE_SECONDS)):
            now = await monitor.read()
            quiet = quiet + 1 if now.lag_events == 0 and now.appended == appended else 0
            appended = now.appended
            if quiet >= QUIET_READINGS:
                return
            await asyncio.sleep(CATCH_UP_PAUSE_SECONDS)
        raise Failure(
            f"the tables do not contain every event after {CATCH_UP_SECONDS:g} s: "
            f"see {self.stack.logs}"
        )

    def _plan(
        self, properties: list[SimulatedProperty], leads: int, rate: float, through: Through
    ) -> SimulationPlan:
        settings = self.stack.settings
        return SimulationPlan(
            seed=self.seed if through == "kafka" else self.seed + 1,
            leads=leads,
            rate=rate,
            through=through,
            start=datetime.now(UTC) - timedelta(seconds=MAX_DURATION_SECONDS + 60),
            properties=properties,
            bootstrap_servers=settings.brokers,
            topic=Topics.of(settings.topic_prefix).intake,
            url=self.stack.api_url,
        )

    def _report(self, by_http: SimulationResult, by_kafka: SimulationResult) -> None:
        counts = ", ".join(f"{n} × {code}" for code, n in sorted(by_http.status_counts.items()))
        events = by_http.events + by_kafka.events
        note(f"HTTP responses by status: {counts}; events sent to Kafka: {events}")
        if any(code >= 500 for code in by_http.status_counts):
            raise Failure(f"the API answered with a server error: see {self.stack.logs}/api.log")
