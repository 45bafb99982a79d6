"""Measurement of the reads of a property with more and more leads, on the server path.

The path is one connection with a transaction as a member: role, queries of the route, and commit.
The leads are written directly into the tables: see `crowd`.
"""

import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import median
from typing import Any, TypeAlias, get_args
from uuid import UUID

from benchmarks.crowd import Crowd
from benchmarks.report_line import ReportLine
from events.leads import LeadStatus
from projections import insights, lead_list, leads, score_inputs, widget_statistics
from projections.lead_list import LeadFilter
from projections.lead_orders import PageCut, SortBy
from services.api.auth.console_users import ConsoleUser
from services.api.auth.row_security import assume_role
from services.api.lead_pages import page_query
from services.api.reading import Query, QueryRunner, compile_query
from services.runtime.database import connect
from services.runtime.settings import Settings

LIMIT = 25
MAX_MILLISECONDS = 50.0
REPETITIONS = 7
WARM_UP = 6
"""After five executions PostgreSQL may use a plan for any values."""
SEARCHES = ("lovelace", "example.com", "1212", "nobody")
"""Texts of one lead in seven, of all leads, of all phone numbers, and of none."""
Route: TypeAlias = "Callable[[QueryRunner], Awaitable[None]]"


class _Explained(QueryRunner):
    """A connection that sums the execution times of EXPLAIN ANALYZE; it returns the rows too."""

    milliseconds = 0.0

    async def all(self, query: Query) -> list[Any]:
        text, values = compile_query(query)
        plan = await self._conn.fetchval(
            f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {text}", *values
        )
        self.milliseconds += (json.loads(plan) if isinstance(plan, str) else plan)[0][
            "Execution Time"
        ]
        return await super().all(query)


async def read_routes(settings: Settings, crowd: dict[str, str]) -> dict[str, Any]:
    """Return route → median milliseconds of the path, and of the execution on the server."""
    ids = Crowd(**{field.name: UUID(crowd[field.name]) for field in fields(Crowd)})
    role = assume_role(ConsoleUser(ids.member, ids.org_id, "manager").claims)
    conn = await connect(settings, "bench reads", role=None)
    results: dict[str, list[float]] = {}
    for name, route in make_routes(ids.property_id).items():
        elapsed = []
        for _ in range(WARM_UP + REPETITIONS):
            started = time.perf_counter()
            await conn.execute(f"BEGIN; {role}")
            await route(QueryRunner(conn))
            await conn.execute("COMMIT")
            elapsed.append(1_000 * (time.perf_counter() - started))
        await conn.execute(f"BEGIN; {role}")
        explained = _Explained(conn)
        await route(explained)
        await conn.execute("COMMIT")
        results[name] = [round(median(elapsed[WARM_UP:]), 2), round(explained.milliseconds, 2)]
    await conn.close()
    return {"routes": results}


def make_routes(property_id: UUID) -> dict[str, Route]:
    """Return the routes by name; each runs the queries of the API."""

    def list_leads(sort_by: SortBy, descending: bool, **values: Any) -> Route:
        lead_filter = LeadFilter(property_id, **values)
        return lambda conn: _list_leads(conn, lead_filter, sort_by, descending)

    routes = {
        f"list by {sort_by}, {'descending' if descending else 'ascending'}": list_leads(
            sort_by, descending
        )
        for sort_by in get_args(SortBy)
        for descending in (False, True)
    }
    narrowed: dict[str, dict[str, Any]] = {
        "a status": {"status": LeadStatus.TOURED}, "a source": {"source": "Zillow"},
        "both": {"status": LeadStatus.TOURED, "source": "Zillow"},
        **{f"search {text}": {"search": text} for text in SEARCHES},
        "search lovelace, a status": {"search": "lovelace", "status": LeadStatus.NEW},
    }  # fmt: skip
    for name, values in narrowed.items():
        for sort_by in ("created_at", "last_name", "score"):
            routes[f"list, {name}, by {sort_by}"] = list_leads(sort_by, True, **values)
    for days in (30, 366):
        routes[f"insights, {days} days"] = partial(
            _read_insights, property_id=property_id, days=days
        )
    for name, ago in (("all time", None), ("30 days", 30), ("300 days", 300)):
        routes[f"statistics, {name}"] = partial(_read_statistics, property_id=property_id, days=ago)
    return routes


async def _list_leads(
    conn: QueryRunner, lead_filter: LeadFilter, sort_by: SortBy, descending: bool
) -> None:
    if lead_filter.search:
        await conn.plan_for_values()
    groups = await conn.all(lead_list.count_by_status_and_source(lead_filter.property_id))
    listed = sum(group.leads for group in groups)
    [(total,)] = await conn.all(lead_list.count(lead_filter)) if lead_filter.search else [(listed,)]
    if not lead_filter.search:
        total = sum(
            group.leads
            for group in groups
            if lead_filter.status in (None, group.status)
            and lead_filter.source in (None, group.source)
        )
    cut = PageCut(0, LIMIT, descending)
    query = page_query(lead_filter, sort_by, cut, total=total, listed=listed)
    rows = await conn.all(query) if total else []
    if rows:
        await conn.all(score_inputs.standings(lead_filter.property_id, [row.id for row in rows]))


async def _read_insights(conn: QueryRunner, property_id: UUID, days: int) -> None:
    now = datetime.now(UTC)
    since = now - timedelta(days=days)
    await conn.plan_for_values()
    await conn.all(leads.count_of(property_id))
    await conn.all(insights.totals(property_id, since))
    await conn.all(insights.factors(property_id, since, 5))
    starts = [now - timedelta(days=back) for back in reversed(range(1, 15))]
    await conn.all(insights.trend(property_id, starts))


async def _read_statistics(conn: QueryRunner, property_id: UUID, days: int | None) -> None:
    begin = None if days is None else datetime.now(UTC) - timedelta(days=days)
    await conn.plan_for_values()
    await conn.all(widget_statistics.of_property(property_id, begin, None))


def growing_lines(results: Sequence[Mapping[str, Any]]) -> list[ReportLine]:
    """Return a line for each route: the most leads, compared with the fewest."""
    if not results:
        return []
    few, *_, many = sorted(map(int, results[0]))
    report = []
    for route in results[0][str(few)]:
        (least, _), (most, server) = (
            [median(result[str(size)][route][part] for result in results) for part in (0, 1)]
            for size in (few, many)
        )
        mark = "" if most <= MAX_MILLISECONDS else f" (more than {MAX_MILLISECONDS:g} ms)"
        report.append(
            ReportLine(
                f"{many:,} leads: {route}", f"{most:.1f} ms, server {server:.1f} ms{mark}",
                f"{few:,} leads", f"{least:.1f} ms", most / least,
            )
        )  # fmt: skip
    return report
