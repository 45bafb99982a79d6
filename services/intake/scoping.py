"""The ids of producers: scoped, so that no record takes or names the id of another organisation.

A visitor id is replaced by its keyed hash.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from uuid import UUID

from events.consents import consent_id
from events.event import Event, Intake, ids_in, touches
from events.ids import message_id_of, producer_event_id
from events.log.connection import Connection
from events.log.secret_keys import load_secret_keys
from events.record import NewEvent, Stream
from events.subjects import required_streams
from events.visitor_ids import hash_principal, hash_visitor_id
from services.application.client_ids import MESSAGE, IdOwner, choose_id, load_id_owners
from services.application.producer_record import ProducerRecord
from services.intake.outcome import IntakeItem

CACHE_SECONDS = 30.0
MAX_CACHED = 100_000
CHOSEN_KINDS = frozenset({"lead", "engagement", "activity", "tour", "session", "conversation"})
"""The entity types whose ids a producer chooses. All other ids are derived or the core's."""


class PropertyOrgs:
    """A short-lived cache of property → organisation; unknown properties are read every time."""

    def __init__(self) -> None:
        self._orgs: dict[UUID, UUID] = {}
        self._until = 0.0

    async def load_orgs(self, conn: Connection, properties: Iterable[UUID]) -> dict[UUID, UUID]:
        """Return property → organisation, for the properties that exist."""
        now = time.monotonic()
        if now > self._until or len(self._orgs) > MAX_CACHED:
            self._orgs.clear()
            self._until = now + CACHE_SECONDS
        requested = set(properties)
        if missing := requested - self._orgs.keys():
            rows = await conn.fetch(
                "SELECT id, org_id FROM public.properties "
                "WHERE id = ANY($1::uuid[]) AND org_id IS NOT NULL",
                list(missing),
            )
            self._orgs |= {row["id"]: row["org_id"] for row in rows}
        return {key: self._orgs[key] for key in requested & self._orgs.keys()}


async def scope_ids(conn: Connection, items: Iterable[IntakeItem]) -> bool:
    """Give each item its event with stored ids; return whether an event is another than before.

    An id can be free at first, and taken by another organisation before the append. Then the append
    fails, and this function is called again.
    """
    read = [(item, *item.sent) for item in items if item.sent is not None]
    owners = await load_id_owners(
        conn, (entity for _, record, _ in read for entity in _client_entities(record.event))
    )
    key = (await load_secret_keys(conn, "visitor_id"))[0].key if read else b""
    is_changed = False
    for item, record, org_id in read:
        event = _scope_event(_with_visitor_hash(record, key), org_id, record.property_id, owners)
        if item.new is not None and item.new.event == event:
            continue
        is_changed = True
        actor = _actor(record, key)
        # The organisation comes from the property, never from the record.
        item.new = NewEvent(
            producer_event_id(org_id, record.source, record.ce_id, event),
            event, org_id, record.property_id, record.occurred_at,
            replace(record.cause, actor=actor),
        )  # fmt: skip
        item.subjects = _subjects(event)
    return is_changed


def _actor(record: ProducerRecord, key: bytes) -> str:
    """Return the producer, and for whom it acts if it names someone; names are hashed.

    The actor of an edited record is the operator.
    """
    if record.edit is not None:
        return record.edit.actor
    producer = f"producer:{record.source}"
    if record.principal is None:
        return producer
    return f"{producer} for {hash_principal(key, record.property_id, record.principal)}"


def _with_visitor_hash(record: ProducerRecord, key: bytes) -> Event:
    if record.visitor_id is None:
        return record.event
    visitor_hash = hash_visitor_id(key, record.property_id, record.visitor_id)
    return record.event.model_copy(update={"visitor_hash": visitor_hash})


def _subjects(event: Event) -> list[Stream]:
    """Return the entities that no pending record may wait for when the event is admitted.

    For a decided event these are all entities that it touches: its decider reads them.
    """
    if event.intake is Intake.OBSERVED:
        return required_streams(event)
    own_id = event.stream_id if event.begins else None
    return [Stream("", key) for key in touches(event) if key != own_id]


def _client_entities(event: Event) -> list[Stream]:
    """Return the entities whose ids a producer chose in an event; derived ids are left out."""
    return [
        Stream(kind, entity_id)
        for field, kind in _chosen_fields(event).items()
        for entity_id in ids_in(event, field)
    ]


def _scope_event(
    event: Event, org_id: UUID, property_id: UUID, owners: Mapping[Stream, IdOwner]
) -> Event:
    """Return a producer's event with the ids replaced that another organisation has.

    Ids of other properties of the same organisation stay: they are mistakes of the organisation's
    own producers, and are rejected with a reason.
    """
    changes: dict[str, object] = {}
    for field, kind in _chosen_fields(event).items():
        stored = {
            entity_id: _choose_for_producer(org_id, property_id, Stream(kind, entity_id), owners)
            for entity_id in ids_in(event, field)
        }
        if any(before != after for before, after in stored.items()):
            value = getattr(event, field)
            changes[field] = stored[value] if isinstance(value, UUID) else tuple(stored.values())
    if "consent_id" in type(event).model_fields and "lead_id" in changes:
        changes["consent_id"] = consent_id(changes["lead_id"], event.channel)  # type: ignore[arg-type,attr-defined]
    return event.model_copy(update=changes) if changes else event


def _choose_for_producer(
    org_id: UUID, property_id: UUID, entity: Stream, owners: Mapping[Stream, IdOwner]
) -> UUID:
    owner = owners.get(entity)
    if owner is not None and owner.org_id == org_id:
        return entity.entity_id
    return choose_id(property_id, entity, owner)


def _chosen_fields(event: Event) -> dict[str, str]:
    """Return field → the kind of its ids, for the ids that a producer chooses."""
    named = {**event.requires, event.entity: event.stream}
    fields = {field: kind for field, kind in named.items() if kind in CHOSEN_KINDS}
    if message_id_of(event) is not None:
        fields["message_id"] = MESSAGE
    return fields
