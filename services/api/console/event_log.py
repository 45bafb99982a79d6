"""Reads of the event log for the pages of events: of the whole log, or of one organisation.

A page looks at a limited range of positions, because most events can be of another kind. It says
where it stopped, and the next page continues there.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from events.log.connection import Connection
from events.log.read import BUS_COLUMNS
from services.api.auth.row_security import read_as
from services.api.console.event_filters import EventFilter
from services.api.console.page import Page
from services.api.problems import Problem
from services.api.reading import ACQUIRE_SECONDS, CompiledQuery, QueryRunner, ResultRow

PAGE_SIZE = 50
SCANNED_POSITIONS = 20_000
"""Positions that one page looks at, unless an index leads to the events of a lead or a stream."""
NEAR_EVENTS = 2_000
"""Events of the shard, before and after an event, among which its effects are looked for."""
MAX_RELATED = 50
MAX_CAUSES = 10
WHOLE_LOG, OF_ORGANISATION = "public.crm_events", "crm_api.key_events"
_SHOWN = (
    "id, position, event_type, schema_version, entity_type, entity_id, version, property_id, "
    "lead_id, occurred_at, recorded_at, actor, origin, correlation_id, causation_id"
)


class EventPage(NamedTuple):
    """Events, the newest first. `before`: where the next page begins; None at the end."""

    events: Sequence[ResultRow]
    before: int | None
    looked_from: int


class RelatedEvents(NamedTuple):
    """The causes of an event (the first one first), its effects, and the others of its command."""

    causes: Sequence[ResultRow]
    effects: Sequence[ResultRow]
    others: Sequence[ResultRow]


@dataclass(frozen=True, slots=True)
class EventLog:
    """The log as the person of a page may read it."""

    runner: QueryRunner
    source: str

    async def list_events(self, chosen: EventFilter, before: int, after: int) -> EventPage:
        """Return the newest events with after < position < before."""
        low = after if chosen.has_index else max(after, before - 1 - SCANNED_POSITIONS)
        conditions, values = chosen.conditions(first=4)
        where = " AND ".join(["position < $1", "position > $2", *conditions])
        rows = await self.runner.all(CompiledQuery(
            f"SELECT {_SHOWN} FROM {self.source} WHERE {where} ORDER BY position DESC LIMIT $3",
            (before, low, PAGE_SIZE, *values),
        ))  # fmt: skip
        if len(rows) == PAGE_SIZE:
            return EventPage(rows, rows[-1].position, rows[-1].position)
        return EventPage(rows, low + 1 if low > after else None, low + 1)

    async def find(self, event_id: UUID) -> asyncpg.Record | None:
        """Return an event with `log.read.BUS_COLUMNS`, as `open_rows` takes it."""
        query = f"SELECT {BUS_COLUMNS} FROM {self.source} WHERE id = $1"
        return await self.runner.first(CompiledQuery(query, (event_id,)))

    async def find_related(self, event: Any) -> RelatedEvents:
        """Return what caused an event and what it caused.

        Causes are found by their ids. Effects are looked for near the event, and in the history of
        its lead.
        """
        causes: list[ResultRow] = []
        cause_id = event.causation_id
        while cause_id is not None and len(causes) < MAX_CAUSES:
            cause = await self._find_shown(cause_id)
            if cause is None:
                break
            causes.insert(0, cause)
            cause_id = cause.causation_id
        root_id = event.correlation_id or event.id
        near = await self._list_near(event, root_id)
        effects = [row for row in near if row.causation_id == event.id]
        listed = {row.id for row in (*causes, *effects)} | {event.id}
        return RelatedEvents(causes, effects, [row for row in near if row.id not in listed])

    async def _find_shown(self, event_id: UUID) -> ResultRow | None:
        query = f"SELECT {_SHOWN} FROM {self.source} WHERE id = $1"
        return await self.runner.first(CompiledQuery(query, (event_id,)))

    async def _list_near(self, event: Any, root_id: UUID) -> list[ResultRow]:
        """Return the events near an event that it caused, or that have the same first cause."""
        if not event.position:
            return []
        related = "(causation_id = $1 OR correlation_id = $2 OR id = $2)"
        rows = await self.runner.all(CompiledQuery(
            f"SELECT {_SHOWN} FROM (SELECT * FROM {self.source} WHERE shard = $3 "
            f"  AND position > $4 ORDER BY position LIMIT {NEAR_EVENTS}) AS later WHERE {related} "
            f"UNION SELECT {_SHOWN} FROM (SELECT * FROM {self.source} WHERE shard = $3 "
            f"  AND position < $4 ORDER BY position DESC LIMIT {NEAR_EVENTS}) AS earlier "
            f"WHERE {related} "
            f"UNION SELECT {_SHOWN} FROM {self.source} WHERE lead_id = $5 AND {related} "
            f"ORDER BY position LIMIT {MAX_RELATED}",
            (event.id, root_id, event.shard, event.position, event.lead_id),
        ))  # fmt: skip
        return list(rows)


@asynccontextmanager
async def open_log(page: Page) -> AsyncIterator[EventLog]:
    """Open the log: all of it for an operator, that of the organisation for an admin of it.

    Row level security decides what an admin reads, with the organisation of the person's profile.
    Raise 403 for others.
    """
    viewer, pool = page.viewer, page.context.pool
    if viewer.is_operator:
        async with pool.acquire(timeout=ACQUIRE_SECONDS) as conn, conn.transaction(readonly=True):
            yield EventLog(QueryRunner(conn), WHOLE_LOG)
    elif viewer.is_admin and viewer.user is not None:
        claims: dict[str, str | None] = {
            "role": "authenticated", "api_key_org_id": str(viewer.user.org_id),
            "api_key_property_ids": "all",
        }  # fmt: skip
        async with read_as(pool, claims) as runner:
            yield EventLog(runner, OF_ORGANISATION)
    else:
        raise Problem(
            403, "forbidden",
            "events are for operators, and for admins of an organisation: ask one of them",
        )  # fmt: skip


async def find_position(conn: Connection, at: datetime, head: int) -> int:
    """Return the first position that was recorded at `at` or later, by halving the range."""
    low, high = 1, head + 1
    while low < high:
        middle = (low + high) // 2
        recorded_at = await conn.fetchval(
            "SELECT recorded_at FROM public.crm_events WHERE position = $1", middle
        )
        if recorded_at < at:
            low = middle + 1
        else:
            high = middle
    return low
