"""Measurement of the console's reads: the API's queries, with and without row level security."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any, get_args
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncConnection

from benchmarks.crowd import Crowd, insert_crowd
from events.leads import LeadStatus
from projections import (
    activities,
    engagements,
    insights,
    lead_list,
    leads,
    score_inputs,
    timeline,
    tours,
    widget_statistics,
)
from projections.lead_list import LeadFilter
from projections.lead_orders import PageCut, SortBy
from services.api.auth.console_users import ConsoleUser
from services.api.auth.row_security import assume_role
from services.runtime.database import connect, open_engine
from services.runtime.settings import Settings

PAGE = 25
FAR_OFFSET = 500
REPETITIONS = 15


def make_queries(crowd: Crowd) -> dict[str, "Select[Any]"]:
    """Return the queries about the large property and one of its leads, by name."""
    property_id, org, lead_ids = crowd.property_id, crowd.org_id, [crowd.busy_lead]
    now = datetime.now(UTC)
    days = [now - timedelta(days=back) for back in reversed(range(1, 15))]
    since = now - timedelta(days=30)
    sorted_lists = {
        f"list by {sort}, {'last' if down else 'first'} ones first": lead_list.page(
            LeadFilter(property_id), sort, PageCut(0, PAGE, down)
        )
        for sort in get_args(SortBy)
        for down in (True, False)
    }
    filtered = LeadFilter(property_id, status=LeadStatus.TOURED, source="Zillow")
    searched = LeadFilter(property_id, search="lovelace")
    newest = PageCut(0, PAGE, descending=True)
    return {
        **sorted_lists,
        "list, far back": lead_list.page(
            LeadFilter(property_id), "created_at", PageCut(FAR_OFFSET, PAGE, descending=True)
        ),
        "list, narrowed": lead_list.page(filtered, "created_at", newest),
        "list, narrowed, by score": lead_list.page(filtered, "score", newest),
        "search": lead_list.page(searched, "created_at", newest),
        "search, by last name": lead_list.page(searched, "last_name", newest),
        "search, counted": lead_list.count(searched),
        "statuses and sources": lead_list.count_by_status_and_source(property_id),
        "scores of a page": score_inputs.standings(property_id, lead_ids),
        "inputs of a score": score_inputs.of_surviving_leads(property_id, lead_ids),
        "leads, counted": leads.count_of(property_id),
        "a lead": leads.person(org, crowd.busy_lead),
        "timeline": timeline.page(org, lead_ids, None, 51),
        "activities": activities.newest(org, lead_ids, 100),
        "engagement": engagements.newest(org, lead_ids, 50),
        "score": score_inputs.of_person(org, crowd.busy_lead),
        "tours": tours.of_leads(org, lead_ids),
        "insights: scores": insights.totals(property_id, since),
        "insights: factors": insights.factors(property_id, since, 5),
        "insights: trend": insights.trend(property_id, days),
        "statistics": widget_statistics.of_property(property_id, None, None),
        "statistics, 30 days": widget_statistics.of_property(property_id, since, None),
    }


ROUTES: Mapping[str, Callable[[str], bool]] = {
    "lead list": lambda name: name in (
        "list by created_at, last ones first", "statuses and sources", "scores of a page",
    ),
    "lead list, by score": lambda name: name in (
        "list by score, last ones first", "statuses and sources", "scores of a page",
    ),
    "lead list, searched": lambda name: name in (
        "search", "search, counted", "statuses and sources", "scores of a page",
    ),
    "timeline": lambda name: name in ("a lead", "timeline"),
    "insights": lambda name: name == "leads, counted" or name.startswith("insights"),
}  # fmt: skip
"""Route → whether it runs the query of that name."""


async def crowded(settings: Settings, leads: int, in_large_property: int) -> dict[str, Any]:
    """Insert a crowd; return its ids."""
    owner = await connect(settings, "bench reading", role=None)
    crowd = await insert_crowd(owner, leads, in_large_property)
    await owner.close()
    return {name: str(value) for name, value in asdict(crowd).items()}


async def read(settings: Settings, crowd: dict[str, str]) -> dict[str, Any]:
    """Return the milliseconds of each route's queries, as a member and as a worker."""
    ids = Crowd(**{field.name: UUID(crowd[field.name]) for field in fields(Crowd)})
    all_queries = make_queries(ids)
    member = ConsoleUser(ids.member, ids.org_id, "manager")
    engine = open_engine(settings, "bench reading")
    durations: dict[str, dict[str, list[float]]] = {
        route: {"member": [], "worker": []} for route in ROUTES
    }
    for _ in range(REPETITIONS):
        for route, is_used in ROUTES.items():
            queries = [query for name, query in all_queries.items() if is_used(name)]
            async with engine.begin() as conn:
                await conn.exec_driver_sql(assume_role(member.claims))
                durations[route]["member"].append(await _time_queries(conn, queries))
            async with engine.begin() as conn:
                durations[route]["worker"].append(await _time_queries(conn, queries))
    await engine.dispose()
    return {
        "parts": {
            route: {role: round(median(times), 2) for role, times in by_role.items()}
            for route, by_role in durations.items()
        }
    }


async def _time_queries(conn: AsyncConnection, queries: list["Select[Any]"]) -> float:
    started = time.perf_counter()
    for query in queries:
        (await conn.execute(query)).all()
    return 1_000 * (time.perf_counter() - started)
