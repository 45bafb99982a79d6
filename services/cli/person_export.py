"""The export of `crm privacy`: the document of a person in a file of its owner alone."""

import os
from pathlib import Path
from uuid import UUID

from events.privacy import ExportFormat
from events.record import Stream
from services.application.command_handler import transact
from services.application.scope import Scope
from services.application.unit_of_work import UnitOfWork
from services.cli.operator_scope import find_scope
from services.cli.privacy import APPLICATION
from services.deciders.privacy import RecordExport
from services.privacy.documents import DOCUMENTS, read_log
from services.privacy.person_export import find_person, snapshot_engine
from services.runtime.database import connect, open_engine, pooled
from services.runtime.database_settings import DatabaseSettings
from services.runtime.terminal import Failure

OWNER_ONLY = 0o600


async def export_person(
    lead_id: UUID, path: Path, export_format: ExportFormat, reason: str | None
) -> None:
    """Record the export and write the document. Raise `Failure` for an unknown lead.

    A document that could not be completed is deleted.
    """
    scope = await _record(lead_id, export_format, reason)
    engine = open_engine(DatabaseSettings(), APPLICATION, size=1)
    try:
        async with (
            snapshot_engine(engine).begin() as conn,
            pooled(DatabaseSettings(), APPLICATION, size=1) as pool,
            read_log(pool) as log,
        ):
            person = await find_person(conn, scope.org_id, lead_id)
            if person is None:
                raise Failure(f"lead {lead_id} is in no table yet: try again in a moment")
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    async for part in DOCUMENTS[export_format].write(conn, log, person, scope.at):
                        file.write(part)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
    finally:
        await engine.dispose()


async def _record(lead_id: UUID, export_format: ExportFormat, reason: str | None) -> Scope:
    """Append the event of the export by the operator; return its scope."""
    conn = await connect(DatabaseSettings(), APPLICATION)
    try:
        scope = await find_scope(conn, Stream("lead", lead_id))

        async def record(uow: UnitOfWork) -> None:
            await uow.execute(RecordExport(lead_id, export_format, reason))

        await transact(conn, scope, record)
    finally:
        await conn.close()
    return scope
