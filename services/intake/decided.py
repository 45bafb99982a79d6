"""Decided events: the core must decide the same, one event at a time within a property."""

import asyncio
from collections import deque
from collections.abc import Iterable
from uuid import UUID

import asyncpg

from events.event import Intake
from events.log.errors import Conflict
from events.record import Stream
from services.application.decided_events import handle_decided_event
from services.application.rejection import RejectedRecord, RejectionReason
from services.deciders import decider
from services.intake import observed
from services.intake.outcome import IntakeItem
from services.intake.scoping import scope_ids
from services.intake.subjects import load_stream_owners
from services.runtime.tasks import end_tasks
from services.runtime.tracing import in_trace

PropertyQueue = deque[IntakeItem]
"""The records of one property, in the order of arrival."""

PARALLEL_QUEUES = 4
"""Properties whose records are decided at the same time."""
ID_TAKEN_CODES = frozenset({"wrong_property", "id_reused"})
"""Codes of refusals that another organisation can have caused, by taking an id meanwhile."""


def is_decided(queue: PropertyQueue) -> bool:
    """Return whether the first record of the queue must be decided."""
    return bool(queue) and queue[0].new_event.event.intake is not Intake.OBSERVED


class Turns:
    """Queues with a decided event at their head, taken in turn by organisation.

    A queue that is taken is not taken again before it is given back, so the records of a property
    stay in order.
    """

    def __init__(self, queues: Iterable[PropertyQueue]) -> None:
        self._by_org: dict[UUID, deque[PropertyQueue]] = {}
        self._rotation: deque[UUID] = deque()
        for queue in queues:
            self.give_back(queue)

    def take(self) -> PropertyQueue | None:
        """Return a queue of the next organisation, None if none is free."""
        if not self._rotation:
            return None
        org_id = self._rotation.popleft()
        queues = self._by_org[org_id]
        queue = queues.popleft()
        if queues:
            self._rotation.append(org_id)
        return queue

    def give_back(self, queue: PropertyQueue) -> None:
        """Put a queue at the end of its organisation's queues, if its head must be decided."""
        if not is_decided(queue):
            return
        org_id = queue[0].new_event.org_id
        queues = self._by_org.setdefault(org_id, deque())
        if not queues:
            self._rotation.append(org_id)
        queues.append(queue)


async def append_decided(
    pool: asyncpg.Pool,
    queues: Iterable[PropertyQueue],
    blocked: dict[UUID, Stream],
    ends_at: float,
) -> None:
    """Decide the events at the heads of the queues; the organisations take turns.

    Begin no decision after `ends_at` (a time of the event loop), but at least one per task.
    """
    turns, loop = Turns(queues), asyncio.get_running_loop()

    async def decide() -> None:
        while (queue := turns.take()) is not None:
            item = queue.popleft()
            if not wait_if_blocked(item, blocked):
                await _append(pool, item)
                add_blocked([item], blocked)
            turns.give_back(queue)
            if loop.time() >= ends_at:
                return

    tasks = [asyncio.ensure_future(decide()) for _ in range(PARALLEL_QUEUES)]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        # The batch will be repeated: no task of this attempt may append beside it.
        await end_tasks(tasks)
        raise


async def _append(pool: asyncpg.Pool, item: IntakeItem) -> None:
    """Decide one event: the producer says that it happened, and the core's decider must agree.

    Give the item its outcome. Raise connection errors of the database.
    """
    new = item.new_event
    if new.property_id is None:
        raise RuntimeError(f"the event of record {item.record.id} has no property")
    try:
        with in_trace(new.cause.trace):
            result = await handle_decided_event(
                pool,
                new.event,
                event_id=new.id,
                org_id=new.org_id,
                property_id=new.property_id,
                occurred_at=new.occurred_at,
                cause=new.cause,
                reason=item.edit.reason if item.edit else None,
            )
    except decider.UnknownSubject as unknown:
        if await _scope_ids_again(pool, item):
            await _append(pool, item)
            return
        async with pool.acquire() as conn:
            owners = await load_stream_owners(conn, [unknown.stream])
        owner = owners.get(unknown.stream)
        if owner and owner.org_id == new.org_id and owner.property_id != new.property_id:
            item.reject(observed.wrong_property(unknown.stream))
        else:
            item.wait_for(unknown.stream)
    except decider.Refused as refused:
        if refused.code in ID_TAKEN_CODES and await _scope_ids_again(pool, item):
            await _append(pool, item)
            return
        item.reject(RejectedRecord(RejectionReason.DISAGREED, refused.message, code=refused.code))
    except Conflict as conflict:
        item.reject(RejectedRecord(RejectionReason.CONFLICT, str(conflict)))
    except observed.RECORD_ERRORS as error:
        item.reject(observed.rejection_of(error))
    else:
        item.accept(
            is_duplicate=new.id in result.duplicates, lead_id=result.lead_id,
            is_known_lead=result.is_known_lead,
        )  # fmt: skip


async def _scope_ids_again(pool: asyncpg.Pool, item: IntakeItem) -> bool:
    """Scope the item's ids again; return whether another organisation has taken one meanwhile."""
    async with pool.acquire() as conn:
        return await scope_ids(conn, [item])


def wait_if_blocked(item: IntakeItem, blocked: dict[UUID, Stream]) -> bool:
    """Let the item wait if another record waits for one of its subjects; return whether it does."""
    for key in (item.new_event.ordering_key, *(stream.entity_id for stream in item.subjects)):
        if subject := blocked.get(key):
            item.wait_for(subject)
            return True
    return False


def add_blocked(items: Iterable[IntakeItem], blocked: dict[UUID, Stream]) -> None:
    """Add the subjects that these items wait for, so that later records queue up behind them."""
    for item in items:
        if item.outcome and item.outcome.subject:
            blocked[item.outcome.subject.entity_id] = item.outcome.subject
