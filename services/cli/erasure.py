"""The work of `crm privacy erase`: show what would go, append the erasure, and complete it."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from events.record import Stream
from services.application.command_handler import transact
from services.application.erasures import erase
from services.application.unit_of_work import UnitOfWork
from services.cli.operator_scope import find_scope
from services.cli.privacy import APPLICATION, describe, preview_change
from services.deciders.decider import Refused
from services.privacy.erasure_completion import complete_erasures
from services.privacy.erasures import LeadErasure, list_erasures
from services.privacy.personal_tables import count_rows
from services.runtime.database import pooled
from services.runtime.database_settings import DatabaseSettings
from services.runtime.table_fit import TableFit, UnfitTables
from services.runtime.terminal import Failure

POLL_SECONDS = 0.2


class ErasurePreview(NamedTuple):
    """The events that an erasure appends, and the rows whose personal values go."""

    events: list[dict[str, Any]]
    rows: list[dict[str, Any]]


async def preview_erasure(lead_id: UUID, reason: str) -> ErasurePreview:
    """Return what an erasure would do. Raise `Failure` for an unknown lead, or if it is refused."""
    async with preview_change(lead_id) as uow:
        person = await erase(uow, lead_id, reason=reason, by=None)
        subjects = frozenset[UUID]().union(*(lead.subjects for lead in person))
        counts = await count_rows(uow.conn, subjects)
        return ErasurePreview(describe(uow.events), [
            {"table": table.table, "rows": table.rows, "with_personal_values": table.readable}
            for table in counts
            if table.rows
        ])  # fmt: skip


async def erase_person(lead_id: UUID, reason: str, wait_seconds: float) -> list[LeadErasure]:
    """Erase a person and return the erasures of its leads, after `wait_seconds` at most.

    What is not completed by then is completed by the timers process. Raise `Failure`.
    """
    async with pooled(DatabaseSettings(), APPLICATION, size=2) as pool:
        async with pool.acquire() as conn:
            scope = await find_scope(conn, Stream("lead", lead_id))  # type: ignore[arg-type]
        await require_fitting_tables(pool)

        async def work(uow: UnitOfWork) -> list[UUID]:
            person = await erase(uow, lead_id, reason=reason, by=None)
            return [lead.id for lead in person]

        try:
            lead_ids = (await transact(pool, scope, work)).result
        except Refused as refused:
            raise Failure(refused.message) from None
        await _complete(pool, lead_ids, wait_seconds)
        return await list_erasures(pool, lead_ids=lead_ids)


async def require_fitting_tables(pool: asyncpg.Pool) -> None:
    """Raise `Failure` if a table of the host refuses erased values: the erasure would be parked."""
    try:
        await TableFit(pool).require()
    except UnfitTables as error:
        raise Failure(str(error)) from None


async def _complete(pool: asyncpg.Pool, lead_ids: Sequence[UUID], wait_seconds: float) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + wait_seconds
    while await complete_erasures(pool, datetime.now(UTC), lead_ids=lead_ids):
        if loop.time() > until:
            return
        await asyncio.sleep(POLL_SECONDS)


def erasure_row(erasure: LeadErasure) -> dict[str, Any]:
    """Return an erasure as a row of the output."""
    return {
        "lead_id": erasure.lead_id,
        "state": erasure.state.value,
        "erased_at": erasure.erased_at,
        "subjects": len(erasure.subjects),
        "keys_left": len(erasure.open_subjects),
    }
