"""Subjects of an event: the entities that must exist before it, and the one that it begins.

Both are computed from `requires` and `begins` of the event classes.
"""

from events.catalog import EVENTS
from events.event import Event, ids_in
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
