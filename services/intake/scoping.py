"""The ids of producers: scoped, so that no record takes or names the id of another organisation.

A visitor id is replaced by its keyed hash.
"""

from collections.abc import Iterable
from dataclasses import replace

from events.event import Event, Intake, touches
from events.ids import producer_event_id
from events.log.connection import Connection
from events.log.secret_keys import load_secret_keys
from events.record import NewEvent, Stream
from events.subjects import required_streams
from events.visitor_ids import hash_principal, hash_visitor_id
from services.application.client_ids import load_id_owners
from services.application.producer_ids import client_entities, scope_event
from services.intake.outcome import IntakeItem
from services.intake.producer_record import ProducerRecord


async def scope_ids(conn: Connection, items: Iterable[IntakeItem]) -> bool:
    """Give each item its event with stored ids; return whether an event is another than before.

    An id can be free at first, and taken by another organisation before the append. Then the append
    fails, and this function is called again.
    """
    read = [(item, *item.sent) for item in items if item.sent is not None]
    owners = await load_id_owners(
        conn, (entity for _, record, _ in read for entity in client_entities(record.event))
    )
    key = (await load_secret_keys(conn, "visitor_id"))[0].key if read else b""
    is_changed = False
    for item, record, org_id in read:
        event = scope_event(_with_visitor_hash(record, key), org_id, record.property_id, owners)
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
    """Return the producer, and for whom it acts if it names someone; names are hashed."""
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
