"""Ids that clients choose, scoped by property.

An id that no other property has is stored as it was sent. One that another property has, or that
is reserved, is replaced by an id that only this property can have. So nobody can take an id that
another tenant will use, and an id of another property is like an unknown one. The choice is stable,
because a stream never moves to another property and its events are never deleted.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from events.ids import is_reserved, message_event_id, scoped_id
from events.log.connection import Connection
from events.record import Stream
from services.application.unit_of_work import UnitOfWork
from services.deciders.chats import not_found_error

MESSAGE = "message"
"""The kind of message ids. A message is no stream; the id of its event depends on its id."""


class IdOwner(NamedTuple):
    """The organisation and the property of the entity that has an id."""

    org_id: UUID
    property_id: UUID | None


async def resolve_client_ids(uow: UnitOfWork, entities: Sequence[Stream]) -> list[UUID]:
    """Return the stored id of each entity that a client of the unit of work's property named."""
    property_id = uow.scope.property_id
    streams = [entity for entity in entities if entity.entity_type != MESSAGE]
    is_reserved_id = any(is_reserved(entity.entity_id) for entity in entities)
    if streams and not is_reserved_id and uow.recall(streams):
        # The append refuses a message that exists already, here or elsewhere, and erased subjects.
        return [entity.entity_id for entity in entities]
    owners, erased = await _load_owners_and_erased(uow, entities)
    stored = [choose_id(property_id, entity, owners.get(entity)) for entity in entities]
    replaced = [
        (stored_id, property_id, entity.entity_id)
        for stored_id, entity in zip(stored, entities, strict=True)
        if stored_id != entity.entity_id
    ]
    if replaced:
        uow.require_transaction()
        await uow.conn.execute(
            "INSERT INTO crm.client_ids (entity_id, property_id, client_id) "
            "SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) ON CONFLICT DO NOTHING",
            *zip(*replaced, strict=True),
        )
    for entity, stored_id in zip(entities, stored, strict=True):
        if stored_id in erased:
            # As if it did not exist: its client starts a new one, as after the end of its token.
            raise not_found_error(entity.entity_type, entity.entity_id)
    uow.choose(
        Stream(entity.entity_type, stored_id)
        for entity, stored_id in zip(entities, stored, strict=True)
    )
    return stored


async def resolve_session_id(uow: UnitOfWork, client_id: UUID) -> UUID:
    """Return the stored id of a session that a client of the property named."""
    return (await resolve_client_ids(uow, [Stream("session", client_id)]))[0]


def choose_id(property_id: UUID, entity: Stream, owner: IdOwner | None) -> UUID:
    """Return the stored id of an entity, given who has the id that the client sent."""
    if owner is None and not is_reserved(entity.entity_id):
        return entity.entity_id
    if owner is not None and owner.property_id == property_id:
        return entity.entity_id
    return scoped_id(property_id, *entity)


def possible_ids(property_id: UUID, kind: str, client_id: UUID) -> tuple[UUID, UUID]:
    """Return the ids under which an entity with this client's id may be stored, for reads."""
    return client_id, scoped_id(property_id, kind, client_id)


def default_conversation_id(property_id: UUID, session_id: UUID) -> UUID:
    """Return the conversation of a session whose client names no conversation.

    `session_id` is the id by which the client knows the session.
    """
    return scoped_id(property_id, "default conversation", session_id)


async def load_client_ids(
    conn: Connection, property_id: UUID, stored_ids: Iterable[UUID]
) -> dict[UUID, UUID]:
    """Return stored id → the client's id, for the ids that were replaced."""
    reserved = [stored_id for stored_id in set(stored_ids) if is_reserved(stored_id)]
    if not reserved:
        return {}
    rows = await conn.fetch(
        "SELECT entity_id, client_id FROM crm.client_ids "
        "WHERE property_id = $1 AND entity_id = ANY($2::uuid[])",
        property_id,
        reserved,
    )
    return {row["entity_id"]: row["client_id"] for row in rows}


async def _load_owners_and_erased(
    uow: UnitOfWork, entities: Sequence[Stream]
) -> tuple[dict[Stream, IdOwner], set[UUID]]:
    """Return the result of `load_id_owners`, and those of the possible ids that are erased."""
    requested = list(dict.fromkeys(entities))
    possible = {key for e in requested for key in possible_ids(uow.scope.property_id, *e)}
    rows = await uow.conn.fetch(
        f"{_OWNERS} UNION ALL SELECT NULL, subject_id, NULL, NULL FROM crm.erased_subjects "
        "WHERE subject_id = ANY($4::uuid[])",
        *_owner_arguments(requested),
        list(possible),
    )
    return _owners_of(rows), {row["id"] for row in rows if row["kind"] is None}


async def load_id_owners(conn: Connection, entities: Iterable[Stream]) -> dict[Stream, IdOwner]:
    """Return entity → who has its id: an entity of the log, or a row of the host not yet adopted.

    Ids that nobody has are left out.
    """
    requested = list(dict.fromkeys(entities))
    if not requested:
        return {}
    return _owners_of(await conn.fetch(_OWNERS, *_owner_arguments(requested)))


def _owner_arguments(requested: Sequence[Stream]) -> tuple[list[str], list[UUID], list[Any]]:
    return (
        [entity.entity_type for entity in requested],
        [entity.entity_id for entity in requested],
        [
            message_event_id(entity.entity_id) if entity.entity_type == MESSAGE else None
            for entity in requested
        ],
    )


def _owners_of(rows: Iterable[asyncpg.Record]) -> dict[Stream, IdOwner]:
    return {
        Stream(row["kind"], row["id"]): IdOwner(row["org_id"], row["property_id"])
        for row in rows
        if row["kind"] is not None
    }


_OWNERS = """
    WITH requested AS (
      SELECT kind, id, event_id FROM unnest($1::text[], $2::uuid[], $3::uuid[])
        AS named (kind, id, event_id)
    ), host AS (
      SELECT kind, requested.id, coalesce(lead.property_id, conversation.property_id,
        of_message.property_id) AS property_id
      FROM requested
      LEFT JOIN public.leads lead ON kind = 'lead' AND lead.id = requested.id
        AND lead.org_id IS NULL
      LEFT JOIN public.conversations conversation ON kind = 'conversation'
        AND conversation.id = requested.id AND conversation.org_id IS NULL
      LEFT JOIN public.messages message ON kind = 'message' AND message.id = requested.id
        AND message.org_id IS NULL
      LEFT JOIN public.conversations of_message ON of_message.id = message.conversation_id
      WHERE (SELECT state <> 'none' FROM crm.adoption)
        AND coalesce(lead.id, conversation.id, message.id) IS NOT NULL
    )
    SELECT kind, host.id, property.org_id, property.id AS property_id
    FROM host JOIN public.properties property ON property.id = host.property_id
    UNION ALL
    SELECT kind, requested.id, org_id, property_id FROM requested JOIN public.crm_events
      ON entity_type = kind AND entity_id = requested.id AND version = 1
    UNION ALL
    SELECT kind, event.id_of, org_id, property_id FROM (
      SELECT kind, id AS id_of, event_id FROM requested WHERE event_id IS NOT NULL) AS event
    JOIN public.crm_events stored ON stored.id = event.event_id
"""
