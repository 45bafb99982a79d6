"""Timers as rows: events set them in the transaction of their append, workers claim them when due.

A worker claims timers in the transaction that appends what they cause: the row locks are the lease,
and the end of the transaction, whatever its reason, gives them back. So no two workers can claim
one timer, and a crash needs no recovery. What must leave the database (the hand-over of a message)
is an event with a lease of its own, `delivery.claimed`.

A look reads the index from where the last look ended. Deleted rows whose space PostgreSQL cannot
reuse, because some old transaction could still see them, are therefore not read again and again.
Rows behind that point (of a transaction that committed late, or given back by a crash) are found
by a sweep from the beginning, every few seconds.
"""

import itertools
import math
import time
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from events.log.connection import Connection
from events.record import NewEvent, Origin
from events.timers import TimerChange, TimerKind, timer_change

SWEEP_SECONDS = 5.0
"""Shortest time between two sweeps."""
SWEEP_FACTOR = 20
"""A sweep takes at most about this part of a worker's time."""
OVERLAP = timedelta(seconds=3)
"""A look reads again what was due so long before the end of the last one."""
WINDOW_TIMERS = 5_000
"""Timers that one query reads at most."""
MAX_BACKLOG = 200_000
"""Timers that a worker remembers at most; the rest it sees when these are done."""
BATCH_TIMERS = 100
"""Timers of one property that one claim takes at most."""
_LOOK = """
    (SELECT entity_id, property_id, queue_at FROM crm.timers
     WHERE kind = $1 AND queue_at <= $2 AND (queue_at, entity_id) > ($3, $4)
     ORDER BY queue_at, entity_id LIMIT $5)
    UNION ALL
    (SELECT entity_id, property_id, queue_at FROM crm.timers
     WHERE kind = $1 AND queue_at > $2 ORDER BY queue_at LIMIT 1)
"""
"""The due timers in order, and the next one that is not due."""
_REMOVE = (
    "DELETE FROM crm.timers timer USING unnest($1::text[], $2::uuid[]) AS gone (kind, id) "
    "WHERE timer.kind = gone.kind AND timer.entity_id = gone.id"
)
FIRST = (datetime(1, 1, 1, tzinfo=UTC), UUID(int=0))


class PropertyTaken(Exception):
    """Another worker has the timers of the property, whose order must hold.

    Leave the later timers of the property too: `TimerBacklog.forget`.
    """


class DueTimer(NamedTuple):
    """A timer that a worker has claimed."""

    kind: TimerKind
    entity_id: UUID
    org_id: UUID
    property_id: UUID
    due_at: datetime
    attempts: int
    error: str | None = None


async def store_timers(conn: Connection, events: Sequence[NewEvent]) -> None:
    """Set, move and remove the timers of these events, which this transaction has appended.

    Imported and adopted events set none: nothing may happen because of history.
    """
    changes: dict[tuple[TimerKind, UUID], tuple[NewEvent, TimerChange]] = {}
    for event in events:
        if event.cause.origin is Origin.LIVE and (change := timer_change(event.event)):
            changes[change.kind, change.entity_id] = (event, change)
    if not changes:
        return
    removed = [key for key, (_, change) in changes.items() if change.due_at is None]
    if removed:
        await conn.execute(_REMOVE, *zip(*removed, strict=True))
    rows = [
        (change.kind, change.entity_id, event.org_id, event.property_id, change.due_at,
         max(change.due_at, event.occurred_at))
        for event, change in changes.values() if change.due_at is not None
    ]  # fmt: skip
    if rows:
        await conn.execute(
            "INSERT INTO crm.timers (kind, entity_id, org_id, property_id, due_at, queue_at) "
            "SELECT * FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::uuid[], "
            "$5::timestamptz[], $6::timestamptz[]) ON CONFLICT (kind, entity_id) DO UPDATE "
            "SET due_at = excluded.due_at, queue_at = excluded.queue_at, attempts = 0, "
            "error = NULL",
            *zip(*rows, strict=True),
        )


async def claim(
    conn: Connection, kind: TimerKind, property_id: UUID, ids: Collection[UUID], now: datetime
) -> list[DueTimer]:
    """Claim due timers of one property until the transaction ends, in the order of their due time.

    Only one worker at a time works on the timers of a property, so their order holds. Raises
    `PropertyTaken` if another one does. Timers that were moved or removed meanwhile are left out.
    """
    await _lock_property(conn, kind, property_id)
    rows = await conn.fetch(
        "SELECT entity_id, org_id, due_at, attempts, error FROM crm.timers "
        "WHERE kind = $1 AND entity_id = ANY($2::uuid[]) AND queue_at <= $3 "
        "ORDER BY queue_at, entity_id FOR UPDATE SKIP LOCKED",
        kind,
        list(ids),
        now,
    )
    return [
        DueTimer(
            kind, row["entity_id"], row["org_id"], property_id, row["due_at"], row["attempts"],
            row["error"],
        )
        for row in rows
    ]  # fmt: skip


async def set_timer(
    conn: Connection, kind: TimerKind, entity_id: UUID, org_id: UUID, property_id: UUID,
    due_at: datetime,
) -> None:  # fmt: skip
    """Set a timer as the log says it must be: a lost one again, or a failing one without errors."""
    await conn.execute(
        "INSERT INTO crm.timers (kind, entity_id, org_id, property_id, due_at, queue_at) "
        "VALUES ($1, $2, $3, $4, $5, $5) ON CONFLICT (kind, entity_id) DO UPDATE "
        "SET due_at = excluded.due_at, queue_at = excluded.queue_at, attempts = 0, error = NULL",
        kind,
        entity_id,
        org_id,
        property_id,
        due_at,
    )


async def _lock_property(conn: Connection, kind: TimerKind, property_id: UUID) -> None:
    """Lock the timers of a property until the transaction ends. Raises `PropertyTaken`."""
    lock = await conn.fetchrow(
        "SELECT key FROM crm.timer_locks WHERE key = hashtext($1 || $2) & 4095 "
        "FOR UPDATE SKIP LOCKED",
        kind,
        str(property_id),
    )
    if lock is None:
        raise PropertyTaken(f"another worker has the {kind.value} timers of property {property_id}")


async def remove(conn: Connection, timers: Iterable[DueTimer]) -> None:
    """Remove claimed timers that have nothing left to move."""
    keys = [(timer.kind, timer.entity_id) for timer in timers]
    if keys:
        await conn.execute(_REMOVE, *zip(*keys, strict=True))


async def postpone(
    conn: Connection, timer: DueTimer, until: datetime, error: str | None = None
) -> None:
    """Let a timer come again at `until`; an error counts as an attempt and is kept for operators.

    `due_at` stays: it says how late the timer is.
    """
    await conn.execute(
        "UPDATE crm.timers SET queue_at = $3, attempts = attempts + ($4::text IS NOT NULL)::int, "
        "error = $4 WHERE kind = $1 AND entity_id = $2",
        timer.kind,
        timer.entity_id,
        until,
        error,
    )


class TimerBacklog:
    """The due timers of one kind that one worker has seen and not tried yet, by property."""

    def __init__(self, kind: TimerKind) -> None:
        self.kind = kind
        self._ids: dict[UUID, dict[UUID, None]] = {}
        self._forgotten: set[UUID] = set()
        self._after = FIRST
        self._sweep_at = 0.0
        self._next_at: datetime | None = None
        """The time of the first timer that was not due at the last look."""

    def seconds_to_next(self, now: datetime) -> float:
        """Return the seconds until the next timer is due that was known at the last look."""
        return math.inf if self._next_at is None else (self._next_at - now).total_seconds()

    @property
    def count(self) -> int:
        """The number of timers."""
        return sum(map(len, self._ids.values()))

    async def look(self, conn: Connection, now: datetime) -> None:
        """Read due timers that were not seen yet; every few seconds read all of them again."""
        started = time.monotonic()
        is_sweep = started >= self._sweep_at
        if is_sweep:
            self._ids.clear()
            self._forgotten.clear()
            self._after = FIRST
        after = max(FIRST, (self._after[0] - OVERLAP, FIRST[1])) if self._after != FIRST else FIRST
        while self.count < MAX_BACKLOG:
            rows = await conn.fetch(
                _LOOK,
                self.kind,
                now,
                *after,
                WINDOW_TIMERS,
            )
            self._next_at = next((row["queue_at"] for row in rows if row["queue_at"] > now), None)
            rows = [row for row in rows if row["queue_at"] <= now]
            for row in rows:
                if row["property_id"] in self._forgotten:
                    continue
                self._ids.setdefault(row["property_id"], {})[row["entity_id"]] = None
            if rows:
                after = (rows[-1]["queue_at"], rows[-1]["entity_id"])
                self._after = max(self._after, after)
            if len(rows) < WINDOW_TIMERS:
                # All that is due was read. Without this, a look in a quiet time would read the
                # deleted rows of the last busy second again and again.
                self._after = max(self._after, (now, FIRST[1]))
                break
        if is_sweep:
            ended = time.monotonic()
            self._sweep_at = ended + max(SWEEP_SECONDS, SWEEP_FACTOR * (ended - started))

    def take(self, busy: Collection[UUID] = ()) -> tuple[UUID, list[UUID]] | None:
        """Return a property and a batch of its timers, or None; the properties take turns.

        `busy` are properties whose timers are left for later.
        """
        property_id = next((key for key in self._ids if key not in busy), None)
        if property_id is None:
            return None
        ids = self._ids.pop(property_id)
        batch = list(itertools.islice(ids, BATCH_TIMERS))
        for key in batch:
            del ids[key]
        if ids:
            self._ids[property_id] = ids  # at the end: the other properties come first
        return property_id, batch

    def forget(self, property_id: UUID) -> None:
        """Leave the timers of a property to another worker; the next sweep finds the rest.

        Later timers are not read before that: they would overtake the earlier ones.
        """
        self._ids.pop(property_id, None)
        self._forgotten.add(property_id)
