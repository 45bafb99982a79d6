"""Refused staged changes: they wait for an operator, and their values are encrypted meanwhile.

Ids stay in clear, because triggers and erasures find the rows by them.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson
from pydantic import ValidationError

from events.keys.data_key import from_text, to_text
from events.keys.errors import DataKeyMissing
from events.keys.sealing import open_all, seal_all
from events.log.connection import Connection
from events.log.erased_subjects import ERASABLE
from events.sealed_member import SEALED

_IDS = ("lead_id", "session_id", "conversation_id", "message_id", "assigned_agent_id")
"""Members of a payload that stay in clear."""


async def seal_payload(
    conn: Connection, payload: str, change_id: UUID, entity_type: str, entity_id: UUID
) -> str:
    """Return the payload with all values but the ids encrypted, with the key of its entity.

    If that key is missing, it is a key of the change itself. Of an erased entity nothing is kept.
    """
    values: dict[str, Any] = orjson.loads(payload)
    if SEALED in values:
        return payload
    subject = entity_id if entity_type in ERASABLE else change_id
    try:
        [value] = await seal_all(conn, [(subject, payload.encode())])
    except DataKeyMissing:
        subject = change_id
        [value] = await seal_all(conn, [(subject, payload.encode())])
    clear = {name: values[name] for name in _IDS if name in values}
    sealed = {"fields": sorted(values.keys() - clear.keys()), "subject": str(subject)}
    if value is not None:
        sealed["value"] = to_text(value)
    return orjson.dumps({**clear, SEALED: sealed}).decode()


async def open_payload(conn: Connection, payload: str) -> str:
    """Return the payload as it was staged.

    Raise `DataKeyMissing`, and `ValueError` if it was changed, or erased with its entity.
    """
    sealed = orjson.loads(payload).get(SEALED) if f'"{SEALED}"' in payload else None
    if not isinstance(sealed, dict):
        return payload
    value = None
    if "value" in sealed:
        [value] = await open_all(conn, [(UUID(sealed["subject"]), from_text(sealed["value"]))])
    if value is None:
        raise ValueError("the values of the change were erased with its entity")
    return value.decode()


def describe_problem(name: str, error: Exception) -> str:
    """Return the problem without the values of the row, which can be personal."""
    if not isinstance(error, ValidationError):
        return f"the payload is not a {name}: {type(error).__name__}"
    faults = [
        f"{'.'.join(map(str, fault['loc']))}: {fault['type']}"
        for fault in error.errors(include_input=False, include_url=False, include_context=False)
    ]
    return f"the payload is not a {name}: {'; '.join(faults)}"


async def list_refused(conn: Connection) -> list[dict[str, Any]]:
    """Return the refused changes without their values; `behind` is how many wait for each."""
    rows = await conn.fetch(
        "SELECT seq, staged_at, event_type, entity_id, property_id, problem, "
        "(SELECT count(*) FROM crm.staged_changes later "
        " WHERE later.entity_id = refused.entity_id AND later.seq > refused.seq) AS behind "
        "FROM crm.staged_changes refused WHERE problem IS NOT NULL ORDER BY seq"
    )
    return [dict(row) for row in rows]


async def retry_refused(conn: Connection, numbers: Sequence[int] | None = None) -> list[int]:
    """Let these refused changes, or all, be tried again at once; return their `seq`."""
    rows = await conn.fetch(
        "UPDATE crm.staged_changes SET problem = NULL WHERE problem IS NOT NULL "
        "AND ($1::bigint[] IS NULL OR seq = ANY($1)) RETURNING seq",
        numbers,
    )
    return [row["seq"] for row in rows]


async def discard_refused(conn: Connection, numbers: Sequence[int]) -> list[int]:
    """Delete these refused changes, so that later ones of their entities go on; return their `seq`.

    The log then never has what the host's row has.
    """
    rows = await conn.fetch(
        "DELETE FROM crm.staged_changes WHERE problem IS NOT NULL AND seq = ANY($1::bigint[]) "
        "RETURNING seq",
        numbers,
    )
    return [row["seq"] for row in rows]
