"""Changes at a property, for the open pages of this process, a moment after they were projected.

One task reads for all pages: the events between two checkpoints of the live tables. So the load on
the database does not grow with the number of pages.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from events.log.shard import shard_of
from projections.catalog import LIVE
from services.api.console.table_age import TableAge
from services.api.problems import UNAVAILABLE_ERRORS, Problem
from services.runtime.logging import get_logger

POLL_SECONDS = 0.25
MAX_EVENTS = 1_000
"""Events of one poll. If there were more, the pages read everything again."""
MAX_NAMES = 200
UNKNOWN_AGE = timedelta(0)
EVERYTHING = "everything"
"""The name that says: anything may have changed."""
RETRY_SECONDS = 10

log = get_logger("console")


class OpenPage:
    """One open page. `names` are the changes since it last took them; `changed` is set then.

    A name is the type of an entity, such as `tour`, or type and id: `lead-<id>`. The tables contain
    the events of the property up to `position`; it is None before the first read.
    """

    def __init__(self, property_id: UUID) -> None:
        self.property_id, self.shard = property_id, shard_of(property_id)
        self.names: set[str] = set()
        self.position: int | None = None
        self.age: timedelta | None = UNKNOWN_AGE
        """The age of the data, if it is old; a page that opens may show another one."""
        self.has_new_age = False
        self.changed = asyncio.Event()

    def add(self, names: set[str], checkpoints: Mapping[int, int]) -> None:
        """Add changes. Too many become one: everything."""
        self.position = checkpoints.get(self.shard)
        self.names |= names
        if len(self.names) > MAX_NAMES:
            self.names = {EVERYTHING}
        self.changed.set()

    def take(self) -> set[str]:
        """Return the changes since the last call."""
        names, self.names = self.names, set()
        self.changed.clear()
        return names


class ChangeFeed:
    """All open pages of this process."""

    def __init__(self, pool: asyncpg.Pool, max_pages: int, table_age: TableAge) -> None:
        self._pool, self._max_pages, self._table_age = pool, max_pages, table_age
        self._pages: dict[UUID, set[OpenPage]] = defaultdict(set)
        self._reached: dict[int, int] | None = None
        self._rebuilt_at: datetime | None = None
        self._has_pages = asyncio.Event()
        self.ended = False

    def __len__(self) -> int:
        return sum(map(len, self._pages.values()))

    def open(self, property_id: UUID) -> OpenPage:
        """Follow a property until `close`. Raise 503 at the limit or at the end."""
        if self.ended or len(self) >= self._max_pages:
            raise Problem(
                503, "too_many_streams",
                f"too many pages are open: this one is not live, try again in {RETRY_SECONDS} s",
                headers={"Retry-After": str(RETRY_SECONDS)},
            )  # fmt: skip
        page = OpenPage(property_id)
        self._pages[property_id].add(page)
        self._has_pages.set()
        return page

    def close(self, page: OpenPage) -> None:
        """Stop to follow a property for a page."""
        pages = self._pages[page.property_id]
        pages.discard(page)
        if not pages:
            del self._pages[page.property_id]
        if not self._pages:
            self._has_pages.clear()
            self._reached = None

    def end(self) -> None:
        """End all pages' streams, because the process stops."""
        self.ended = True
        for pages in self._pages.values():
            for page in pages:
                page.changed.set()

    async def run(self) -> None:
        """Poll until cancelled. Without open pages, wait instead of polling."""
        while True:
            await self._has_pages.wait()
            try:
                await self._read_changes()
                await self._read_age()
            except (*UNAVAILABLE_ERRORS, asyncpg.PostgresError) as error:
                # The checkpoints of the last read are kept: nothing is missed.
                log.warning("change_feed.failed", error=type(error).__name__, is_retry=True)
            await asyncio.sleep(POLL_SECONDS)

    async def _read_age(self) -> None:
        """Tell all pages when the data becomes old or current, and meanwhile how old it is."""
        age = await self._table_age.load()
        for pages in self._pages.values():
            for page in pages:
                if page.age != age:
                    page.age, page.has_new_age = age, True
                    page.changed.set()

    async def _read_changes(self) -> None:
        async with self._pool.acquire() as conn:
            rows = await conn.fetch(
                "SELECT shard, position, "
                "  (SELECT max(rebuilt_at) FROM crm.projections) AS rebuilt_at "
                "FROM crm.checkpoints WHERE projection_group = $1", LIVE.name,
            )  # fmt: skip
            checkpoints = {row["shard"]: row["position"] for row in rows}
            rebuilt_at, self._rebuilt_at = self._rebuilt_at, rows[0]["rebuilt_at"] if rows else None
            before, self._reached = self._reached, checkpoints
            if before is None or rebuilt_at != self._rebuilt_at:
                # Changes between the opening of the first page and this read are unknown. After a
                # swap, the rows can differ although no event came.
                self._announce_everything(checkpoints)
                return
            moved = {
                shard: position
                for shard, position in checkpoints.items()
                if position > before.get(shard, 0)
            }
            if not moved:
                return
            try:
                events = await conn.fetch(
                    "SELECT event.property_id, event.entity_type, event.entity_id, event.lead_id "
                    "FROM unnest($1::int[], $2::bigint[], $3::bigint[]) "
                    "  AS moved(shard, reached, position) "
                    "JOIN public.crm_events event ON event.shard = moved.shard "
                    "  AND event.position > moved.reached AND event.position <= moved.position "
                    "WHERE event.property_id = ANY($4::uuid[]) LIMIT $5",
                    list(moved), [before.get(shard, 0) for shard in moved], list(moved.values()),
                    list(self._pages), MAX_EVENTS,
                )  # fmt: skip
            except BaseException:
                self._reached = before
                raise
        self._announce(events, checkpoints)

    def _announce(self, events: Sequence[asyncpg.Record], checkpoints: Mapping[int, int]) -> None:
        if len(events) == MAX_EVENTS:
            self._announce_everything(checkpoints)
            return
        names: dict[UUID, set[str]] = defaultdict(set)
        for event in events:
            kind, found = str(event["entity_type"]), names[event["property_id"]]
            found |= {kind, f"{kind}-{event['entity_id']}"}
            if (lead_id := event["lead_id"]) is not None:
                found |= {"lead", f"lead-{lead_id}"}
        for property_id, found in names.items():
            for page in self._pages.get(property_id, ()):
                page.add(found, checkpoints)

    def _announce_everything(self, checkpoints: Mapping[int, int]) -> None:
        for pages in self._pages.values():
            for page in pages:
                page.add({EVERYTHING}, checkpoints)
