"""The work of `crm privacy certificate`, `list` and `reapply`."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from events.record import Stream
from services.application.merged_leads import list_members
from services.application.unit_of_work import UnitOfWork
from services.cli.erasure import erasure_row, require_fitting_tables
from services.cli.operator_scope import find_scope, operator_cause
from services.cli.privacy import APPLICATION
from services.deciders.decider import Refused
from services.privacy.certificate import NotErased, check_certificate, issue_certificate
from services.privacy.erasures import list_erasures
from services.privacy.reapplication import reapply_erasures
from services.privacy.signature import InvalidCertificate
from services.runtime.database import connect, pooled
from services.runtime.database_settings import DatabaseSettings
from services.runtime.terminal import Failure


async def write_certificate(lead_id: UUID) -> dict[str, Any]:
    """Return the signed certificate of a person. Raise `Failure` if there is none yet."""
    conn = await connect(DatabaseSettings(), APPLICATION)
    try:
        scope = await find_scope(conn, Stream("lead", lead_id))
        async with conn.transaction():
            uow = UnitOfWork(conn, scope, None)
            members = await list_members(uow, await uow.surviving_lead(lead_id))
            return await issue_certificate(conn, members, datetime.now(UTC))
    except (NotErased, Refused) as error:
        raise Failure(str(error)) from None
    finally:
        await conn.close()


async def check_file(path: Path) -> list[dict[str, Any]]:
    """Look again at everything that a certificate names; return what is wrong, one row each.

    Raise `Failure` for a file that is no certificate of this installation.
    """
    document = _read(path)
    conn = await connect(DatabaseSettings(), APPLICATION)
    try:
        async with conn.transaction():
            places, missing = await check_certificate(conn, document)
    except InvalidCertificate as error:
        raise Failure(f"{path}: {error}") from None
    finally:
        await conn.close()
    return [
        *(
            {"place": place.place, "problem": f"{place.readable} readable rows"}
            for place in places
            if place.readable
        ),
        *(
            {"place": place.place, "problem": f"the payload of event {event_id} was changed"}
            for place in places
            for event_id in place.changed
        ),
        *(
            {"place": "the log", "problem": f"lacks the erasure of {subject}"}
            for subject in missing
        ),
    ]


async def list_rows(org_id: UUID | None) -> list[dict[str, Any]]:
    """Return all erasures, or those of an organisation, the oldest first."""
    conn = await connect(DatabaseSettings(), APPLICATION)
    try:
        return [erasure_row(erasure) for erasure in await list_erasures(conn, org_id=org_id)]
    finally:
        await conn.close()


async def reapply(paths: Sequence[Path]) -> list[UUID]:
    """Append the erasures again that a restored log lacks; return the leads.

    Raise `Failure` for a file that is no certificate of this installation, or if a table of the
    host refuses erased values, and append nothing.
    """
    certificates = [_read(path) for path in paths]
    async with pooled(DatabaseSettings(), APPLICATION, size=2) as pool:
        await require_fitting_tables(pool)
        try:
            return await reapply_erasures(pool, datetime.now(UTC), operator_cause(), certificates)
        except InvalidCertificate as error:
            raise Failure(str(error)) from None


def _read(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file. Raise `Failure`."""
    try:
        document = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise Failure(f"{path}: {error}") from None
    if not isinstance(document, dict):
        raise Failure(f"{path}: the file is no certificate")
    return document
