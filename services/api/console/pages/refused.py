"""The list of what was refused: events that no projection could apply, records of producers."""

from typing import Any
from uuid import UUID

from starlette.responses import Response

from events.catalog import CATALOG
from services.api.console.endpoints import page_route
from services.api.console.page import Page
from services.api.console.refused_filters import PAGE_SIZE, read_after, read_dead_letter_filter
from services.application import dead_letters, parked_events
from services.application.operator_requests import RequestKind, list_requests

KINDS = (RequestKind.RETRY_PARKED, RequestKind.REDRIVE)
STATUSES = ("open", "redriven", "replaced", "dropped")


async def list_refused(page: Page) -> Response:
    """Show parked events or dead letters by reason, and what operators asked for."""
    async with page.context.pool.acquire() as conn:
        parked = await conn.fetch(
            "SELECT reason, count(*) FROM crm.parked WHERE NOT behind GROUP BY 1 ORDER BY 2 DESC, 1"
        )
        dead = await conn.fetch(
            "SELECT reason, count(*) FROM crm.dead_letters WHERE status = 'open' "
            "GROUP BY 1 ORDER BY 2 DESC, 1"
        )
        behind = await parked_events.count_parked(conn, behind=True)
        requests = await list_requests(conn, KINDS, limit=5)
        counts: dict[str, Any] = {
            "parked": {row["reason"]: row["count"] for row in parked},
            "dead": {row["reason"]: row["count"] for row in dead},
        }
        kind = page.query.get("kind") or ("dead" if dead and not parked else "parked")
        details: dict[UUID, str | None] = {}
        if kind == "dead":
            rows = await dead_letters.list_rows(
                conn, read_dead_letter_filter(page), read_after(page), PAGE_SIZE + 1
            )
            details = await dead_letters.list_details(conn, [row["id"] for row in rows])
        else:
            after = page.query.get("after", "0")
            rows = await parked_events.list_parked(
                conn, behind=page.query.get("behind") == "yes", limit=PAGE_SIZE + 1,
                reason=page.query.get("reason"), after=int(after) if after.isdigit() else 0,
            )  # fmt: skip
    parked_count, dead_count = (sum(counts[name].values()) for name in ("parked", "dead"))
    return page.render(
        "refused.html", counts=counts, behind=behind - parked_count, requests=requests,
        details=details, rows=rows[:PAGE_SIZE], has_more=len(rows) > PAGE_SIZE, kind=kind,
        types=sorted(CATALOG), statuses=STATUSES, parked_count=parked_count, dead_count=dead_count,
    )  # fmt: skip


ROUTES = (page_route("/refused", list_refused, for_operators=True),)
