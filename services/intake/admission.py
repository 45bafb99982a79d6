"""Admission of records: each is read, checked and, in the order of its property, appended.

When `admit` returns, the outcome of every record is durable: an event in the log, a pending record
or a dead letter. Repeating it changes nothing, because a dead letter stays one until a redrive. So
a crash in the middle needs no repair.
"""

import asyncio
from collections import deque
from collections.abc import Sequence, Set
from uuid import UUID

import asyncpg

from events.event import Event, Intake, touches
from events.ids import producer_event_id
from events.log.connection import Connection
from events.log.errors import Conflict
from events.record import NewEvent, Stream
from events.subjects import required_streams
from services.application.decided_events import handle_decided_event
from services.deciders import decider
from services.host import PropertyOrgs
from services.intake import metrics, observed, saved_outcomes, signature
from services.intake.outcome import IntakeItem, IntakeOutcome, add_blocked, wait_if_blocked
from services.intake.pending_records import PROPERTY
from services.intake.producer_record import ProducerRecord, read_producer_record
from services.intake.raw_record import RawRecord
from services.intake.rejection import RejectedRecord, RejectionReason
from services.intake.settings import IntakeSettings
from services.runtime.clock import Clock

PARALLEL_QUEUES = 4
"""Properties whose records are decided at the same time."""
ADMISSION_CONNECTIONS = PARALLEL_QUEUES + 2
"""Connections that admission needs in its pool: its own, one per decided queue, one spare."""
PropertyQueue = deque[IntakeItem]
"""The records of one property, in the order of arrival."""


class Admission:
    """The admission of record batches, one batch at a time.

    Within a property the order of arrival is kept: a producer may send an event and then another
    that is about it. Records of different properties do not wait for each other.
    """

    def __init__(self, pool: asyncpg.Pool, settings: IntakeSettings, clock: Clock) -> None:
        self.pool, self.settings, self.clock = pool, settings, clock
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
                await saved_outcomes.restore_outcomes(conn, items)
            await self.admit_items(conn, [item for item in items if item.outcome is None])
            return [item.outcome for item in items if item.outcome]

    async def admit_items(
        self, conn: Connection, items: Sequence[IntakeItem], *, retried: Set[UUID] | None = None
    ) -> None:
        """Give every item an outcome and save it. The caller holds `lock`.

        `retried` are the subjects whose pending records are retried now, None for new records.
        """
        queues = await self._build_queues(conn, items)
        blocked = await saved_outcomes.load_blocked(conn, items, retried or frozenset())
        # Observed events at the heads of the queues are appended in one transaction, decided ones
        # one at a time. Each round empties the queues up to the next change of mode.
        while queues:
            await self._append_observed(conn, queues, blocked)
            await self._append_decided(queues, blocked)
            queues = {key: queue for key, queue in queues.items() if queue}
        await saved_outcomes.save_outcomes(
            conn, items, self.settings, self.clock.now(), is_retry=retried is not None
        )
        metrics.count(items)

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
            if org is None:
                item.wait_for(Stream(PROPERTY, record.property_id))
                continue
            try:
                if self.settings.keys:
                    signature.check(item.record, org, self.settings.keys)
            except RejectedRecord as rejected:
                item.reject(rejected)
                continue
            # The organisation comes from the property, never from the record.
            item.new = NewEvent(
                producer_event_id(org, record.source, record.ce_id, record.event),
                record.event, org, record.property_id, record.occurred_at, record.cause,
            )  # fmt: skip
            item.subjects = _subjects(record.event)
            queues.setdefault(record.property_id, deque()).append(item)
        return queues

    async def _append_observed(
        self, conn: Connection, queues: dict[UUID, PropertyQueue], blocked: dict[UUID, Stream]
    ) -> None:
        """Append the observed events at the heads of all queues together."""
        batch: list[IntakeItem] = []
        for key, queue in queues.items():
            while queue and queue[0].new_event.event.intake is Intake.OBSERVED:
                item = queue.popleft()
                if not wait_if_blocked(item, key, blocked):
                    batch.append(item)
        if batch:
            await observed.append_observed(conn, batch)
            add_blocked(batch, blocked)

    async def _append_decided(
        self, queues: dict[UUID, PropertyQueue], blocked: dict[UUID, Stream]
    ) -> None:
        """Decide the events at the heads of the queues, one by one within a queue."""
        slots = asyncio.Semaphore(PARALLEL_QUEUES)

        async def decide(key: UUID, queue: PropertyQueue) -> None:
            async with slots:
                while queue and queue[0].new_event.event.intake is not Intake.OBSERVED:
                    item = queue.popleft()
                    if not wait_if_blocked(item, key, blocked):
                        await _append_decided_event(self.pool, item)
                        add_blocked([item], blocked)

        tasks = [asyncio.ensure_future(decide(key, queue)) for key, queue in queues.items()]
        try:
            await asyncio.gather(*tasks)
        except BaseException:
            # The batch will be repeated: no task of this attempt may append beside it.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise


async def _append_decided_event(pool: asyncpg.Pool, item: IntakeItem) -> None:
    """Decide one event: the producer says that it happened, and the core's decider must agree.

    Give the item its outcome. Raise connection errors of the database.
    """
    new = item.new_event
    if new.property_id is None:
        raise RuntimeError(f"the event of record {item.record.id} has no property")
    try:
        result = await handle_decided_event(
            pool,
            new.event,
            event_id=new.id,
            org_id=new.org_id,
            property_id=new.property_id,
            occurred_at=new.occurred_at,
            cause=new.cause,
        )
    except decider.UnknownSubject as unknown:
        item.wait_for(unknown.stream)
    except decider.Refused as refused:
        item.reject(RejectedRecord(RejectionReason.DISAGREED, refused.message, code=refused.code))
    except Conflict as conflict:
        item.reject(RejectedRecord(RejectionReason.CONFLICT, str(conflict)))
    except observed.RECORD_ERRORS as error:
        item.reject(observed.rejection_of(error))
    else:
        item.accept(is_duplicate=new.id not in result.new)


def _subjects(event: Event) -> list[Stream]:
    """Return the entities that no pending record may wait for when the event is admitted.

    For a decided event these are all entities that it touches: its decider reads them.
    """
    if event.intake is Intake.OBSERVED:
        return required_streams(event)
    own_id = event.stream_id if event.begins else None
    return [Stream("", key) for key in touches(event) if key != own_id]
