"""Taking records in: each is read, checked and, in the order of its property, appended or decided.

When `take_in` returns, what became of every record is durable: a fact in the log, a row that waits,
or a dead letter. Doing it again changes nothing: what was refused stays refused until somebody has
it driven in again. So a crash in the middle needs no repair.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence, Set
from uuid import UUID

import asyncpg

from events.event import Event, Intake, touches
from events.ids import sent_event_id
from events.leads import LeadCaptured
from events.log.connection import Connection
from events.record import NewEvent, Stream
from events.tours import TourScheduled
from services.host_tenants import Tenants
from services.intake import dead_letters, decided, metrics, observed, pending_records, signature
from services.intake.outcome import Fate, Item, Outcome
from services.intake.pending_records import PROPERTY
from services.intake.producer_record import Sent, read_sent
from services.intake.raw_record import Received
from services.intake.rejection import Refused
from services.intake.settings import IntakeSettings
from services.intake.subjects import begins, needs, owners

SUBJECTS_AT_A_TIME = 1_000
LINES_AT_A_TIME = 4
CONNECTIONS = LINES_AT_A_TIME + 2
"""What a door needs of its pool: one of its own, one a line it decides in, one to spare."""
Line = deque[Item]


class Door:
    """Takes records in, one batch at a time: order within a property is the order of arrival."""

    def __init__(self, pool: asyncpg.Pool, settings: IntakeSettings) -> None:
        self.pool, self.settings = pool, settings
        self._tenants = Tenants()
        self._lock = asyncio.Lock()

    async def take_in(
        self, records: Sequence[Received], *, redriven: bool = False
    ) -> list[Outcome]:
        """What became of each record, in their order. Raises when the database is away.

        A record read again that is a dead letter is just that, unless it is `redriven`.
        """
        async with self._lock, self.pool.acquire() as conn:
            items = [Item(record) for record in records]
            if not redriven:
                await dead_letters.recall(conn, items)
            await self._take_in(conn, [item for item in items if item.outcome is None])
            return [item.outcome for item in items if item.outcome]

    async def retry(self) -> int:
        """Try what waits and is due; how many records were looked at."""
        async with self._lock, self.pool.acquire() as conn:
            subjects = await pending_records.due(conn, SUBJECTS_AT_A_TIME)
            if not subjects:
                return 0
            there = await self._there(conn, subjects)
            absent = {subject.entity_id for subject in subjects} - there
            limit = self.settings.batch_records
            await pending_records.postpone(conn, absent, self.settings)
            late = await pending_records.of_subjects(conn, absent, limit, late=True)
            ready = await pending_records.of_subjects(conn, there, limit)
            rows = [*late, *ready]
            items = [Item(Received.of_row(dict(row))) for row in rows]
            await self._take_in(conn, items, retried=there)
            return len(rows)

    async def _there(self, conn: Connection, subjects: Iterable[Stream]) -> set[UUID]:
        streams = {s for s in subjects if s.entity_type != PROPERTY}
        properties = {s.entity_id for s in subjects if s.entity_type == PROPERTY}
        found = {stream.entity_id for stream in await owners(conn, streams)}
        return found | (await self._tenants.orgs_of(conn, properties)).keys()

    async def _take_in(
        self, conn: Connection, items: Sequence[Item], *, retried: Set[UUID] | None = None
    ) -> None:
        lines = await self._lines(conn, items)
        blocked = await self._blocked(conn, items, retried or frozenset())
        while lines:
            await self._observe(conn, lines, blocked)
            await self._decide(lines, blocked)
            lines = {key: line for key, line in lines.items() if line}
        await self._write_down(conn, items, retrying=retried is not None)
        metrics.count(items)

    async def _lines(self, conn: Connection, items: Sequence[Item]) -> dict[UUID, Line]:
        """Read every record; those that say something stand in line, by property."""
        said: dict[int, Sent] = {}
        for number, item in enumerate(items):
            try:
                said[number] = read_sent(item.record)
            except Refused as refused:
                item.refuse(refused)
        orgs = await self._tenants.orgs_of(conn, (sent.property_id for sent in said.values()))
        lines: dict[UUID, Line] = {}
        for number, sent in said.items():
            item, org = items[number], orgs.get(sent.property_id)
            if org is None:
                item.wait(Stream(PROPERTY, sent.property_id))
                continue
            try:
                signature.check(item.record, org, self.settings.keys)
            except Refused as refused:
                item.refuse(refused)
                continue
            item.new = NewEvent(
                sent_event_id(org, sent.source, sent.ce_id, sent.event),
                sent.event, org, sent.property_id, sent.occurred_at, sent.cause,
            )  # fmt: skip
            item.needs = _needs(sent.event)
            lines.setdefault(sent.property_id, deque()).append(item)
        return lines

    async def _blocked(
        self, conn: Connection, items: Sequence[Item], retried: Iterable[UUID]
    ) -> dict[UUID, Stream]:
        """What others wait for already: who needs the same waits behind them."""
        if not await pending_records.any_waiting(conn):
            return {}
        wanted = {s.entity_id for item in items for s in item.needs}
        wanted |= {item.new.property_id for item in items if item.new and item.new.property_id}
        return await pending_records.waited_for(conn, wanted.difference(retried))

    async def _observe(
        self, conn: Connection, lines: dict[UUID, Line], blocked: dict[UUID, Stream]
    ) -> None:
        """Append what stands at the heads of the lines and needs no decision, all together."""
        going: list[Item] = []
        for key, line in lines.items():
            while line and line[0].recorded.event.intake is Intake.OBSERVED:
                item = line.popleft()
                if not _wait_behind(item, key, blocked):
                    going.append(item)
        await observed.take_in(conn, going)
        _block(going, blocked)

    async def _decide(self, lines: dict[UUID, Line], blocked: dict[UUID, Stream]) -> None:
        """Decide what stands at the heads of the lines: in a line one by one, a few lines at a
        time, for properties do not depend on one another."""
        free = asyncio.Semaphore(LINES_AT_A_TIME)

        async def decide(key: UUID, line: Line) -> None:
            async with free:
                while line and line[0].recorded.event.intake is not Intake.OBSERVED:
                    item = line.popleft()
                    if not _wait_behind(item, key, blocked):
                        await decided.take_in(self.pool, item)
                        _block([item], blocked)

        deciding = [asyncio.ensure_future(decide(key, line)) for key, line in lines.items()]
        try:
            await asyncio.gather(*deciding)
        except BaseException:
            for task in deciding:
                task.cancel()
            await asyncio.gather(*deciding, return_exceptions=True)
            raise

    async def _write_down(self, conn: Connection, items: Sequence[Item], *, retrying: bool) -> None:
        async with conn.transaction():
            if waits := _with(items, Fate.WAITING):
                await pending_records.keep(conn, waits, self.settings)
            if dead := _with(items, Fate.DEAD):
                await dead_letters.keep(conn, dead)
            if retrying:
                still = {item.record.id for item in _with(items, Fate.WAITING)}
                await pending_records.done(
                    conn, [i.record.id for i in items if i.record.id not in still]
                )
            begun = {b.entity_id for i in items if (b := _begun(i))}
            if begun:
                await pending_records.wake(conn, begun)


def _with(items: Sequence[Item], fate: Fate) -> list[Item]:
    return [item for item in items if item.outcome and item.outcome.fate is fate]


def _needs(event: Event) -> list[Stream]:
    """What must not be waited for by others: for a decided event everything it touches."""
    if event.intake is Intake.OBSERVED:
        return needs(event)
    own = event.stream_id if isinstance(event, LeadCaptured | TourScheduled) else None
    return [Stream("", key) for key in touches(event) if key != own]


def _wait_behind(item: Item, property_id: UUID, blocked: dict[UUID, Stream]) -> bool:
    for key in (property_id, *(stream.entity_id for stream in item.needs)):
        if subject := blocked.get(key):
            item.wait(subject)
            return True
    return False


def _block(items: Iterable[Item], blocked: dict[UUID, Stream]) -> None:
    for item in items:
        if item.outcome and item.outcome.subject:
            blocked[item.outcome.subject.entity_id] = item.outcome.subject


def _begun(item: Item) -> Stream | None:
    if item.outcome is None or item.outcome.fate is not Fate.ACCEPTED:
        return None
    event = item.recorded.event
    if isinstance(event, LeadCaptured | TourScheduled):
        return Stream(event.stream, event.stream_id)
    return begins(event)
