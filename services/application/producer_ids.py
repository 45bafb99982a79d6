"""Ids that producers choose: the event of a record gets the stored ids of its property."""

from collections.abc import Mapping
from uuid import UUID

from events.consents import consent_id
from events.event import Event, ids_in
from events.ids import message_id_of
from events.record import Stream
from services.application.client_ids import MESSAGE, IdOwner, choose_id

CHOSEN_KINDS = frozenset({"lead", "engagement", "activity", "tour", "session", "conversation"})
"""The entity types whose ids a producer chooses. All other ids are derived or the core's."""


def client_entities(event: Event) -> list[Stream]:
    """Return the entities whose ids a producer chose in an event; derived ids are left out."""
    return [
        Stream(kind, entity_id)
        for field, kind in _chosen_fields(event).items()
        for entity_id in ids_in(event, field)
    ]


def scope_event(
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
