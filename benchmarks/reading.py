"""What the console reads of a crowd: the API's own queries, with and without row level security."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any, get_args
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncConnection

from benchmarks.crowd import Crowd, gather
from events.leads import LeadStatus
from projections import (
    activities,
    engagements,
    insights,
    lead_list,
    leads,
    scores,
    timeline,
    tours,
)
from projections.lead_list import SortBy, Wanted
from services.api.auth.callers import Person
from services.runtime.database import connect, open_engine
from services.runtime.settings import Settings

PAGE = 25
DEEP = 500
TIMES = 15


def questions(crowd: Crowd) -> dict[str, "Select[Any]"]:
    """Everything that is asked of the large property and of a lead of it, by name."""
    host_property, org, person = crowd.property_id, crowd.org_id, [crowd.busy_lead]
    now = datetime.now(UTC)
    days = [now - timedelta(days=back) for back in reversed(range(1, 15))]
    since = now - timedelta(days=30)
    found = {
        f"list by {sort}, {'last' if down else 'first'} ones first": lead_list.page(
            Wanted(host_property), sort, descending=down, offset=0, limit=PAGE
        )
        for sort in get_args(SortBy)
        for down in (True, False)
    }
    some = Wanted(host_property, status=LeadStatus.TOURED, source="Zillow")
    named = Wanted(host_property, search="lovelace")
    newest = {"descending": True, "offset": 0, "limit": PAGE}
    return {
        **found,
        "list, far back": lead_list.page(
            Wanted(host_property), "created_at", descending=True, offset=DEEP, limit=PAGE
        ),
        "list, narrowed": lead_list.page(some, "created_at", **newest),
        "list, narrowed, by score": lead_list.page(some, "score", **newest),
        "search": lead_list.page(named, "created_at", **newest),
        "search, by last name": lead_list.page(named, "last_name", **newest),
        "search, counted": lead_list.count(named),
        "statuses and sources": lead_list.standing(host_property),
        "scores of a page": scores.facts_below(host_property, person),
        "leads, counted": leads.count_of(host_property),
        "a lead": leads.person(org, crowd.busy_lead),
        "timeline": timeline.page(org, person, None, 51),
        "activities": activities.newest(org, person, 100),
        "engagement": engagements.newest(org, person, 50),
        "engagement that counts": engagements.counting(org, person, since),
        "engagement, counted": engagements.count_of(org, person),
        "last score": scores.newest(org, crowd.busy_lead),
        "tours": tours.of_leads(org, person),
        "insights: scores": insights.totals(host_property, since),
        "insights: factors": insights.factors(host_property, since, 5),
        "insights: trend": insights.trend(host_property, days),
    }


PARTS: Mapping[str, Callable[[str], bool]] = {
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
"""Route → the questions it asks."""


async def crowded(settings: Settings, leads: int, in_one: int) -> dict[str, Any]:
    """Gather a crowd; where it is."""
    owner = await connect(settings, "bench reading", role=None)
    crowd = await gather(owner, leads, in_one)
    await owner.close()
    return {name: str(value) for name, value in asdict(crowd).items()}


async def read(settings: Settings, crowd: dict[str, str]) -> dict[str, Any]:
    """Milliseconds of each route's questions, as a member reads them and as a worker would."""
    there = Crowd(**{field.name: UUID(crowd[field.name]) for field in fields(Crowd)})
    asked, member = questions(there), Person(there.member, there.org_id, "manager")
    engine = open_engine(settings, "bench reading")
    found: dict[str, dict[str, list[float]]] = {
        part: {"member": [], "worker": []} for part in PARTS
    }
    for _ in range(TIMES):
        for part, is_of in PARTS.items():
            queries = [query for name, query in asked.items() if is_of(name)]
            async with member.transaction(engine) as conn:
                found[part]["member"].append(await _ask(conn, queries))
            async with engine.begin() as conn:
                found[part]["worker"].append(await _ask(conn, queries))
    await engine.dispose()
    return {
        "parts": {
            part: {who: round(median(times), 2) for who, times in both.items()}
            for part, both in found.items()
        }
    }


async def _ask(conn: AsyncConnection, queries: list["Select[Any]"]) -> float:
    began = time.perf_counter()
    for query in queries:
        (await conn.execute(query)).all()
    return 1_000 * (time.perf_counter() - began)
