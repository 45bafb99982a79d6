"""The work of `crm privacy certificate` and `list`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from services.application.erasures import find_erasable
from services.application.unit_of_work import UnitOfWork
from services.cli.erasure import erasure_row
from services.cli.privacy import APPLICATION, find_scope, operator_cause
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
        scope = await find_scope(conn, lead_id)
        async with conn.transaction():
            person = await find_erasable(UnitOfWork(conn, scope, None), lead_id)
            return await issue_certificate(conn, [lead.id for lead in person], datetime.now(UTC))
    except (NotErased, Refused) as error:
        raise Failure(str(error)) from None
    finally:
        await conn.close()


async def check_file(path: Path) -> list[dict[str, Any]]:
    """Look again at everything that a certificate names; return what is wrong, one row each.

    Raise `Failure` for a file that is no certificate of this installation.
    """
    conn = await connect(DatabaseSettings(), APPLICATION)
    try:
        document = orjson.loads(path.read_bytes())
        if not isinstance(document, dict):
            raise InvalidCertificate("the file is no certificate")
        async with conn.transaction():
            places, missing = await check_certificate(conn, document)
    except (OSError, orjson.JSONDecodeError, InvalidCertificate) as error:
        raise Failure(f"{path}: {error}") from None
    finally:
        await conn.close()
    return [
        *({"place": place.place, "problem": f"{place.readable} readable rows"} for place in places),
        *({"place": "the log", "problem": f"lacks the erasure {event_id}"} for event_id in missing),
    ]


async def list_rows(org_id: UUID | None) -> list[dict[str, Any]]:
    """Return all erasures, or those of an organisation, the oldest first."""
    conn = await connect(DatabaseSettings(), APPLICATION)
    try:
        return [erasure_row(erasure) for erasure in await list_erasures(conn, org_id=org_id)]
    finally:
        await conn.close()


async def reapply() -> list[UUID]:
    """Append the erasures again that a restored log lacks; return the leads."""
    async with pooled(DatabaseSettings(), APPLICATION, size=2) as pool:
        return await reapply_erasures(pool, datetime.now(UTC), operator_cause())
