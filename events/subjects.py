"""Subjects of an event: the entities that must exist before it, and the one that it begins.

Both are computed from `requires` and `begins` of the event classes. `with_lead` changes the lead.
"""

from uuid import UUID

from events.catalog import EVENTS
from events.consents import ConsentGiven, ConsentWithdrawn, consent_id
from events.event import Event, ids_in
from events.leads import LeadCaptured
from events.record import Stream

SUBJECT_TYPES = frozenset(stream for kind in EVENTS for stream in kind.requires.values())
"""The entity types that some event requires."""


def required_streams(event: Event) -> list[Stream]:
    """Return the streams that must have begun in the property of `event` before it."""
    return [
        Stream(stream, entity_id)
        for field, stream in event.requires.items()
        for entity_id in ids_in(event, field)
    ]


def begun_stream(event: Event) -> Stream | None:
    """Return the stream that `event` may begin, or None where no other event requires it."""
    if event.begins and event.stream in SUBJECT_TYPES:
        return Stream(event.stream, event.stream_id)
    return None


def with_lead(event: Event, lead_id: UUID | None) -> Event:
    """Return the same event about another lead; the id of a new lead stays as it is."""
    if isinstance(event, LeadCaptured) or "lead_id" not in type(event).model_fields:
        return event
    changes: dict[str, object] = {"lead_id": lead_id}
    if isinstance(event, ConsentGiven | ConsentWithdrawn) and lead_id is not None:
        changes["consent_id"] = consent_id(lead_id, event.channel)
    return event.model_copy(update=changes)
