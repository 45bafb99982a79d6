"""The stored payloads of all events about a person, before they are decrypted."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from events.keys.data_key import TamperedValue
from events.log.connection import Connection
from events.log.payloads import StoredPayload
from events.sealed_member import SealedPayload, find_sealed


class PersonPayloads(NamedTuple):
    """Payloads with the parts of their encrypted values, None for one in clear.

    `changed`: event id → the reason why its payload has neither form. Somebody changed it in the
    log, and nobody can say what it contains.
    """

    whole: Sequence[tuple[StoredPayload, SealedPayload | None]]
    changed: Mapping[UUID, str]


async def read_person_payloads(conn: Connection, subject_ids: Collection[UUID]) -> PersonPayloads:
    """Return the payloads of the events of these leads, sessions and conversations."""
    rows = await conn.fetch(
        "SELECT id, event_type, schema_version, payload::text AS payload FROM public.crm_events "
        "WHERE lead_id = ANY($1::uuid[]) OR (entity_type IN ('lead', 'session', 'conversation') "
        "AND entity_id = ANY($1::uuid[]))",
        list(subject_ids),
    )
    whole: list[tuple[StoredPayload, SealedPayload | None]] = []
    changed: dict[UUID, str] = {}
    for row in rows:
        try:
            whole.append((StoredPayload(*row), find_sealed(row["payload"])))
        except TamperedValue as error:
            changed[row["id"]] = str(error)
    return PersonPayloads(whole, changed)
