"""Measurement of a live page that several people have open: `python -m benchmarks.live_pages`.

The viewers do what a browser does: they follow the event stream, and read the page again a moment
after a change. A lead is captured again and again; relay and projector run as in production.
"""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from statistics import median, quantiles
from uuid import uuid4

import httpx2
import jwt
from cyclopts import App
from pydantic import SecretStr

from benchmarks.child import run_process
from benchmarks.http.load import HOST
from benchmarks.http.measuring import SECRET, cpu_seconds, run_server
from benchmarks.servers import BenchmarkServers, run_servers
from benchmarks.workload import Organization, insert_host_rows, make_organization
from events.leads import LeadCaptured
from events.log.append import append
from events.log.connection import Connection
from events.record import Cause, NewEvent
from services.api.console.viewers import COOKIE
from services.runtime.database import connect
from services.runtime.logging import configure_logging
from services.runtime.migrations import migrate

DELAY_SECONDS = 0.3
"""The delay after which a part of a page is read again, as in the templates."""
FOLLOWED = ("lead", "tour", "conversation", "task", "everything")
SETTLE_SECONDS = 8.0
app = App(name="live_pages", help_format="plaintext")


@dataclass
class Result:
    """The reads of all viewers: when each began, and how long it took, in seconds."""

    is_shared: bool
    durations: list[float] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    """From the append of a change to the end of the read that shows it."""
    appended_at: float = 0.0


@app.default
def measure(
    *,
    viewers: int = 50,
    seconds: float = 30,
    every: float = 1.0,
    leads: int = 40,
    shared: bool = True,
) -> None:
    """Measure the CPU time of the API with viewers of the page of today, and how soon they see it.

    Parameters
    ----------
    viewers
        The people who have the page open, all of one role.
    seconds
        The length of the measurement.
    every
        The seconds between two changes.
    leads
        The leads to call on the page.
    shared
        Whether the viewers say which change they read for, so that they share the response.
    """
    configure_logging("bench", form="console", level="error")
    with run_servers() as servers:
        asyncio.run(_measure(servers, viewers, seconds, every, leads, shared=shared))


async def _measure(
    servers: BenchmarkServers,
    viewers: int,
    seconds: float,
    every: float,
    leads: int,
    *,
    shared: bool,
) -> None:
    settings = servers.settings(await servers.database(), f"live{uuid4().hex[:6]}").model_copy(
        update={"jwt_secret": SecretStr(SECRET), "api_processes": 1}
    )
    await asyncio.to_thread(migrate, settings.database_url.get_secret_value())
    organization = make_organization(1, 1)
    conn = await connect(settings, "bench live", role=None)
    await insert_host_rows(conn, organization)
    for _ in range(leads):
        await _capture_lead(conn, organization)
    async with (
        run_process("services.relay", settings),
        run_process("services.projector", settings),
        run_server("services.api", settings) as (port, pid),
        httpx2.AsyncClient(
            base_url=f"http://{HOST}:{port}", timeout=60, limits=httpx2.Limits(),
            cookies={COOKIE: _token(organization)},
        ) as client,
    ):  # fmt: skip
        result = Result(shared)
        path = f"/console/properties/{organization.properties[0]}"
        tasks = [asyncio.create_task(_view(client, path, result)) for _ in range(viewers)]
        await asyncio.sleep(SETTLE_SECONDS)
        idle = await _cpu(servers, pid, SETTLE_SECONDS)
        result.durations.clear()
        result.delays.clear()
        changing = asyncio.create_task(_change(conn, organization, every, result))
        api, database = await _cpu(servers, pid, seconds)
        for task in (changing, *tasks):
            task.cancel()
        await asyncio.gather(changing, *tasks, return_exceptions=True)
    await conn.close()
    await servers.drop_all()
    print(f"{viewers} viewers, a change every {every:g} s, {seconds:g} s")
    print(f"without changes: API {idle[0]:.1f} %, PostgreSQL {idle[1]:.1f} % of a core")
    print(f"with changes:    API {api:.1f} %, PostgreSQL {database:.1f} % of a core")
    print(f"{len(result.durations) / seconds:.0f} reads/s; a read: {_describe(result.durations)}")
    print(f"from the append to the page: {_describe(result.delays)}")


def _describe(values: list[float]) -> str:
    return f"median {median(values) * 1e3:.0f} ms, p95 {quantiles(values, n=20)[-1] * 1e3:.0f} ms"


def _token(organization: Organization) -> str:
    claims = {
        "sub": str(organization.agents[0]), "aud": "authenticated", "role": "authenticated",
        "exp": datetime.now(UTC) + timedelta(hours=1),
    }  # fmt: skip
    return jwt.encode(claims, SECRET, algorithm="HS256")


async def _view(client: httpx2.AsyncClient, path: str, result: Result) -> None:
    """Follow the event stream, and read the page a moment after each change."""
    reading: asyncio.Task[None] | None = None
    async with client.stream("GET", f"{path}/live") as response:
        response.raise_for_status()
        name, position, is_due = "", "", False
        async for line in response.aiter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                position, is_due = line.removeprefix("data: "), is_due or name in FOLLOWED
            if is_due and (reading is None or reading.done()):
                is_due = False
                reading = asyncio.create_task(_read(client, path, position, result))


async def _read(client: httpx2.AsyncClient, path: str, position: str, result: Result) -> None:
    await asyncio.sleep(DELAY_SECONDS)
    appended_at, began_at = result.appended_at, time.monotonic()
    headers = {"HX-Request": "true"}
    if result.is_shared and position.isdigit():
        headers["X-Console-Position"] = position
    response = await client.get(f"{path}/today", headers=headers)
    response.raise_for_status()
    ended_at = time.monotonic()
    result.durations.append(ended_at - began_at)
    result.delays.append(ended_at - appended_at)


async def _change(
    conn: Connection, organization: Organization, every: float, result: Result
) -> None:
    while True:
        await _capture_lead(conn, organization)
        result.appended_at = time.monotonic()
        await asyncio.sleep(every)


async def _capture_lead(conn: Connection, organization: Organization) -> None:
    lead = uuid4()
    event = LeadCaptured(
        lead_id=lead, source="Referral", first_name="Ada", last_name="Lovelace",
        email=f"{lead.hex}@example.com", phone=f"+1212{lead.int % 10**7:07}",
    )  # fmt: skip
    new = NewEvent(
        uuid4(), event, organization.org_id, organization.properties[0], datetime.now(UTC),
        Cause("benchmark"),
    )  # fmt: skip
    async with conn.transaction():
        await append(conn, [new], expected={})


async def _cpu(servers: BenchmarkServers, pid: int, seconds: float) -> tuple[float, float]:
    """Return the percent of a core that the API and PostgreSQL use on average of a time."""
    api, database = cpu_seconds(pid), servers.cpu_seconds()
    await asyncio.sleep(seconds)
    return (
        100 * (cpu_seconds(pid) - api) / seconds,
        100 * (servers.cpu_seconds() - database) / seconds,
    )


if __name__ == "__main__":
    app()
