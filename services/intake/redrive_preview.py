"""Preview of a redrive: what would become of dead letters, and the rows that would change.

The records are admitted, and their events folded, in a transaction that is always rolled back.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count
from math import inf
from typing import Any, cast
from uuid import UUID

import asyncpg

from events.log import read, sequencer
from events.log.connection import Connection
from events.record import RecordedEvent
from projections.catalog import LIVE
from projections.engine import checkpoints, parked, retry_preview
from projections.engine.batch import WriterIdentity
from projections.engine.host_triggers import ENGINE_SEARCH_PATH
from projections.engine.retry import apply_one
from projections.engine.retry_preview import RefusedEvent, RetryPreview, RowRecorder
from services.application import dead_letters
from services.application.changed_rows import describe_preview
from services.application.dead_letters import DeadLetterFilter
from services.application.preview_connection import PreviewConnection
from services.application.sealed_records import DeadLetter
from services.intake.admission import Admission
from services.intake.outcome import IntakeStatus
from services.intake.settings import IntakeSettings
from services.runtime.clock import Clock

MAX_RECORDS = 20
"""Records that a preview admits: each holds the locks of its append until the end."""
_OWN_EVENTS = f"""
SELECT {read.COLUMNS} FROM public.crm_events WHERE position IS NULL AND pg_xact_status(
  (pg_current_xact_id()::text::bigint - age(xmin))::text::xid8) = 'in progress'
ORDER BY seq
"""
"""The events of this transaction: no other transaction in progress has rows that it can see.

The snapshot does not tell them apart: it leaves out the ids of its own transaction. `age` counts
from the id of the transaction, so a savepoint, which has a later id, has a negative age.
"""


async def preview_redrive(
    pool: asyncpg.Pool, settings: IntakeSettings, chosen: DeadLetterFilter
) -> Mapping[str, Any]:
    """Return the number of records by outcome, and a described preview, without personal values."""
    async with pool.acquire() as conn:
        total = await dead_letters.count(conn, chosen)
        found = await dead_letters.find(conn, chosen, MAX_RECORDS)
    preview = RetryPreview(is_partial=total > len(found))
    outcomes: Counter[str] = Counter()
    try:
        async with retry_preview.rolled_back(pool) as conn:
            await _admit(conn, settings, found, preview, outcomes)
            await _fold(conn, preview)
    except retry_preview.BUSY_ERRORS:
        preview.is_partial = True
    statuses = {status.value: outcomes[status.value] for status in IntakeStatus}
    return {
        "records": total, "tried": outcomes.total(), **statuses,
        "preview": describe_preview(preview),
    }  # fmt: skip


async def read_own_events(conn: Connection) -> Sequence[RecordedEvent]:
    """Return the events that this transaction has appended, in order."""
    return await read.decode_rows(conn, await conn.fetch(_OWN_EVENTS))


async def _admit(
    conn: Connection, settings: IntakeSettings, found: Sequence[DeadLetter], preview: RetryPreview,
    outcomes: Counter[str],
) -> None:  # fmt: skip
    """Admit the records one after the other, as a redrive does; count them by status."""
    same = cast("asyncpg.Pool", PreviewConnection(conn))
    unlimited = settings.model_copy(update={"batch_seconds": inf})
    admission = Admission(same, unlimited, Clock(), is_counted=False)
    for record in (dead.record for dead in found if dead.record is not None):
        [outcome] = await admission.admit([record], is_redrive=True)
        outcomes[outcome.status.value] += 1
        if outcome.status is IntakeStatus.DEAD:
            # The detail can contain personal values, and this result is stored.
            preview.refused.append(RefusedEvent(record.id, outcome.reason, ""))


async def _fold(conn: Connection, preview: RetryPreview) -> None:
    """Apply the events of this transaction to the tables, as the projector would."""
    state = await sequencer.read_log_state(conn)
    events = await read_own_events(conn)
    positions = count(state.position + 1)
    identity, group = WriterIdentity(LIVE, state.generation), LIVE
    shards = sorted({event.shard for event in events})
    await checkpoints.own(
        conn, group.name, group.version, state.generation, shards, "preview of a redrive"
    )
    await conn.execute(f"SET LOCAL crm.engine = 'on'; SET LOCAL search_path = {ENGINE_SEARCH_PATH}")
    waiting: dict[int, set[UUID]] = await parked.read_waiting_ids(conn, group.name, shards)
    work, recorder = group.working_set(), RowRecorder()
    for event in events:
        numbered = event._replace(position=next(positions))
        ids = waiting.setdefault(event.shard, set())
        stays = await apply_one(conn, identity, work, numbered, ids, recorder.write)
        rows = recorder.take()
        if stays is None:
            preview.result.applied += 1
            preview.add_rows(event.id, rows)
        else:
            preview.result.still_parked += 1
            ids |= stays.touches
            preview.refused.append(RefusedEvent(event.id, stays.reason, ""))
