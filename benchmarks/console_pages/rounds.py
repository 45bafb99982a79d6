"""One measurement of all pages: prepare the database, run the API, request every page."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg
from pydantic import SecretStr
from rich.progress import Progress

from benchmarks.child import run_process
from benchmarks.console_pages import measuring
from benchmarks.console_pages.measuring import Browser, PageResult
from benchmarks.console_pages.report import weight
from benchmarks.console_pages.site import Site, SiteSize, append_site, refuse_records
from benchmarks.console_pages.statements import log_plans, read_statements
from benchmarks.console_pages.visits import Person, Visit, find_visits, make_people
from benchmarks.http.measuring import SECRET, run_server
from benchmarks.http.preparation import wait_until_projected
from services.runtime.database import connect, pooled
from services.runtime.settings import Settings

ROUND_REQUESTS = 12
"""Requests for each page in a round of `make bench`."""


async def prepare_site(settings: Settings, size: SiteSize) -> Site:
    """Fill a migrated database; relay, projector and timers process its log meanwhile."""
    conn = await connect(settings, "bench pages", role=None)
    site = await append_site(conn, size)
    async with run_process("services.relay", settings), run_process("services.projector", settings):
        async with run_process("services.timers", settings):
            await wait_until_projected(conn)
    async with pooled(settings, "bench intake") as pool:
        await refuse_records(pool, site, size)
    await conn.execute("VACUUM (ANALYZE)")
    await conn.execute("CHECKPOINT")
    await conn.close()
    return site


async def measure_page_round(settings: Settings, site: Site) -> dict[str, dict[str, Any]]:
    """Return page → the milliseconds of some requests, and its weight with its files."""
    with Progress(disable=True) as progress:
        results, statics = await measure_pages(settings, site, ROUND_REQUESTS, None, progress)
    return {
        result.name: {
            "milliseconds": result.wall, "kibibytes": weight(result, statics)[1],
            "cpu_milliseconds": median(result.cpu),
        }
        for result in results
    }  # fmt: skip


async def measure_pages(
    settings: Settings, site: Site, requests: int, log: Path | None, progress: Progress,
    only: str = "",
) -> tuple[list[PageResult], dict[str, int]]:  # fmt: skip
    """Return the results of all pages, and static file → bytes as sent.

    `log` is the log of the database server; without it, statements are not counted. `only` is a
    part of the names of pages.
    """
    settings = settings.model_copy(update={"jwt_secret": SecretStr(SECRET), "api_processes": 1})
    conn = await connect(settings, "bench pages", role=None)
    visits = [visit for visit in await find_visits(conn, site) if only in visit.name]
    people = make_people(site, SECRET)
    async with run_server("services.api", settings) as (port, pid):
        browser, results = Browser(port), []
        for visit in progress.track(visits, description="pages"):
            result = await measuring.measure_page(browser, conn, pid, visit, people, requests)
            results.append(result)
        statics = {
            address: len(browser.get(address, people[0])[2])
            for address in frozenset[str]().union(*(result.statics for result in results))
        }
    if log is not None:
        await _count_statements(settings, conn, log, visits, people, results)
    await conn.close()
    return results, statics


async def _count_statements(
    settings: Settings, conn: asyncpg.Connection, log: Path, visits: Sequence[Visit],
    people: Sequence[Person], results: Sequence[PageResult],
) -> None:  # fmt: skip
    """Add the statements of one request to each result. Their times are not those of the page."""
    database = await conn.fetchval("SELECT current_database()")
    await log_plans(conn, database, enabled=True)
    try:
        async with run_server("services.api", settings) as (port, _):
            browser = Browser(port)
            for visit, result in zip(visits, results, strict=True):
                reader = next(person for person in people if person.role == result.roles[-1])
                for _ in range(measuring.WARM_UP):
                    browser.get(visit.path, reader)
                offset = log.stat().st_size
                browser.get(visit.path, reader)
                result.statements = read_statements(log, offset)
    finally:
        await log_plans(conn, database, enabled=False)
