"""Admission of records: each is read, checked and, in the order of its property, appended.

When `admit` returns, the outcome of every record is durable: an event in the log, a pending record
or a dead letter. Repeating it changes nothing, because a dead letter stays one until a redrive. So
a crash in the middle needs no repair.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Sequence, Set
from math import inf
from uuid import UUID

import asyncpg

from events.log.connection import Connection
from events.record import Stream
from services.application.producer_record import ProducerRecord, read_producer_record
from services.application.raw_record import RawRecord
from services.application.rejection import RejectedRecord
from services.intake import metrics, observed, pending_records, saved_outcomes, signature
from services.intake.decided import (
    PARALLEL_QUEUES,
    PropertyQueue,
    add_blocked,
    append_decided,
    is_decided,
    wait_if_blocked,
)
from services.intake.outcome import IntakeItem, IntakeOutcome, IntakeStatus
from services.intake.pending_records import PROPERTY
from services.intake.record_label import RecordLabel
from services.intake.record_spans import record_spans
from services.intake.scoping import PropertyOrgs, scope_ids
from services.intake.settings import IntakeSettings
from services.runtime.clock import Clock

ADMISSION_CONNECTIONS = PARALLEL_QUEUES + 2
"""Connections that admission needs in its pool: its own, one per decided queue, one spare."""


class Admission:
    """The admission of record batches, one batch at a time.

    Within a property the order of arrival is kept: a producer may send an event and then another
    that is about it. Records of different properties do not wait for each other, and those of one
    organisation do not wait for the flood of another: organisations take turns, and what cannot be
    decided in time waits in the table of pending records.
    """

    def __init__(
        self, pool: asyncpg.Pool, settings: IntakeSettings, clock: Clock, *, is_counted: bool = True
    ) -> None:
        self.pool, self.settings, self.clock = pool, settings, clock
        self.is_counted = is_counted
        self.property_orgs = PropertyOrgs()
        # New records and retried pending ones of a property must not overtake each other.
        self.lock = asyncio.Lock()

    async def admit(
        self, records: Sequence[RawRecord], *, is_redrive: bool = False
    ) -> list[IntakeOutcome]:
        """Admit a batch; return the outcome of each record, in order.

        Without `is_redrive`, a record that is a dead letter keeps that outcome. Raise connection
        errors of the database: then the caller repeats the whole batch.
        """
        async with self.lock, self.pool.acquire() as conn:
            items = [IntakeItem(record) for record in records]
            if not is_redrive:
                await _restore_outcomes(conn, items)
            await self.admit_items(conn, [item for item in items if item.outcome is None])
            return [item.outcome for item in items if item.outcome]

    async def admit_items(
        self, conn: Connection, items: Sequence[IntakeItem], *, retried: Set[UUID] | None = None
    ) -> None:
        """Give every item an outcome and save it. The caller holds `lock`.

        `retried` are the subjects whose pending records are retried now, None for new records.
        """
        began_at = time.time_ns()
        queues = await self._build_queues(conn, items)
        blocked = await _load_blocked(conn, items, retried or frozenset())
        await self._append(conn, queues, blocked)
        await saved_outcomes.save_outcomes(
            conn, items, self.settings, self.clock.now(), self.property_orgs,
            is_retry=retried is not None,
        )  # fmt: skip
        if self.is_counted:
            metrics.count(items)
            record_spans(items, began_at)

    async def _append(
        self, conn: Connection, queues: dict[UUID, PropertyQueue], blocked: dict[UUID, Stream]
    ) -> None:
        """Append the events of the queues, for a limited time: what is left waits for its turn.

        Observed events at the heads of the queues are appended in one transaction, decided ones one
        at a time. Each round empties the queues up to the next change of mode.
        """
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + self.settings.batch_seconds
        while queues:
            await self._append_observed(conn, queues, blocked)
            await append_decided(self.pool, queues.values(), blocked, ends_at)
            queues = {key: queue for key, queue in queues.items() if queue}
            if queues and loop.time() >= ends_at:
                ends_at = inf
                if await self._defer(conn, queues.values()):
                    return

    async def _build_queues(
        self, conn: Connection, items: Sequence[IntakeItem]
    ) -> dict[UUID, PropertyQueue]:
        """Read every record; return the readable ones by property."""
        readable: dict[int, ProducerRecord] = {}
        for number, item in enumerate(items):
            try:
                readable[number] = read_producer_record(item.record)
            except RejectedRecord as rejected:
                item.reject(rejected)
        orgs = await self.property_orgs.load_orgs(
            conn, (record.property_id for record in readable.values())
        )
        queues: dict[UUID, PropertyQueue] = {}
        for number, record in readable.items():
            item, org = items[number], orgs.get(record.property_id)
            item.read_label = RecordLabel(
                record.source, record.ce_id, record.event.name, record.property_id
            )
            if org is None:
                item.wait_for(Stream(PROPERTY, record.property_id))
                continue
            try:
                if self.settings.keys and not item.record.is_edited:
                    signature.check(item.record, org, self.settings.keys)
            except RejectedRecord as rejected:
                item.reject(rejected)
                continue
            item.sent = (record, org)
            queues.setdefault(record.property_id, deque()).append(item)
        await scope_ids(conn, (item for queue in queues.values() for item in queue))
        return queues

    async def _append_observed(
        self, conn: Connection, queues: dict[UUID, PropertyQueue], blocked: dict[UUID, Stream]
    ) -> None:
        """Append the observed events at the heads of all queues together."""
        batch: list[IntakeItem] = []
        for queue in queues.values():
            while queue and not is_decided(queue):
                item = queue.popleft()
                if not wait_if_blocked(item, blocked):
                    batch.append(item)
        if batch:
            await observed.append_observed(conn, batch)
            add_blocked(batch, blocked)

    async def _defer(self, conn: Connection, queues: Iterable[PropertyQueue]) -> bool:
        """Let the items of all queues wait for their turn; return False if there is no room."""
        if await pending_records.is_full_of_deferred(conn, self.settings.deferred_at_most):
            return False
        for queue in queues:
            while queue:
                queue.popleft().wait_for_turn()
        return True


async def _restore_outcomes(conn: Connection, items: Sequence[IntakeItem]) -> None:
    """Give items whose records are dead letters already the saved outcome.

    A redriven dead letter is excluded: its record was admitted since.
    """
    rows = await conn.fetch(
        "SELECT id, event_id, org_id, property_id, reason FROM crm.dead_letters "
        "WHERE id = ANY($1::uuid[]) AND status <> 'redriven'",
        [item.record.id for item in items],
    )
    saved = {row["id"]: row for row in rows}
    for item in items:
        if row := saved.get(item.record.id):
            item.outcome = IntakeOutcome(
                IntakeStatus.DEAD, row["event_id"], row["org_id"], row["property_id"],
                reason=row["reason"],
            )  # fmt: skip


async def _load_blocked(
    conn: Connection, items: Sequence[IntakeItem], retried: Set[UUID]
) -> dict[UUID, Stream]:
    """Return the subjects that pending records wait for: entity id → stream.

    A new record about such a subject waits too. Otherwise it would overtake the pending one.
    """
    if not await conn.fetchval("SELECT EXISTS (SELECT FROM crm.intake_waiting)"):
        return {}
    ids = {stream.entity_id for item in items for stream in item.subjects}
    ids |= {item.new.property_id for item in items if item.new and item.new.property_id}
    rows = await conn.fetch(
        "SELECT DISTINCT subject_id, subject_type FROM crm.intake_waiting "
        "WHERE subject_id = ANY($1::uuid[])",
        list(ids - retried),
    )
    return {row["subject_id"]: Stream(row["subject_type"], row["subject_id"]) for row in rows}
