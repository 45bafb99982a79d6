"""Events that are about erased data subjects: refused, or stored without personal values.

People and producers begin nothing for an erased lead, and write nothing to it. What is left of it
comes to its end: a tour is cancelled, a task is done, a message is delivered. The texts of such
events are not stored.
"""

from collections.abc import Sequence, Set
from functools import cache
from uuid import UUID

from events.event import Event
from events.keys import store
from events.log.connection import Connection
from events.log.errors import SubjectErased
from events.merges import LeadMerged, LeadUnmerged
from events.personal import personal_content, subject_field
from events.record import NewEvent, is_outsider
from events.sessions import SessionIdentified
from events.tasks import TaskDone
from events.tours import TourCancelled

ERASABLE = frozenset({"lead", "session", "conversation"})
"""The entity types that an erasure names."""
_ENDING_STREAMS = frozenset({"run", "delivery"})
_ENDINGS = (TourCancelled, TaskDone)
"""With the streams above: what ends although its text cannot be stored."""
_LINKS = (LeadMerged, LeadUnmerged, SessionIdentified)


def subject_ids(event: Event) -> Set[UUID]:
    """Return the ids whose erasure takes the personal values of an event.

    They are its data subject and the leads, sessions and conversations that it requires. A new lead
    has its own data, whatever it came from.
    """
    ids: set[UUID] = set()
    add_subject_ids(event, ids)
    return ids


def add_subject_ids(event: Event, ids: set[UUID]) -> None:
    """Add the ids of `subject_ids` to a set: faster than a set for each event."""
    values = event.__dict__
    for field in _subject_fields(type(event)):
        value = values[field]
        if isinstance(value, UUID):
            ids.add(value)
        elif value:
            ids.update(value)


@cache
def _subject_fields(kind: type[Event]) -> tuple[str, ...]:
    """Return the fields of an event class that hold the ids of `subject_ids`."""
    if kind.begins and kind.stream == "lead":
        return (kind.entity,)
    required = {field for field, stream in kind.requires.items() if stream in ERASABLE}
    own = subject_field(kind)
    return tuple(required if own is None else required | {own})


def require_not_erased(events: Sequence[NewEvent], erased: Set[UUID]) -> None:
    """Raise `SubjectErased` for an event that is not accepted for an erased subject."""
    for new in events if erased else ():
        if (found := _refused_for(new, erased)) is not None:
            raise SubjectErased(found)


async def find_refused(conn: Connection, events: Sequence[NewEvent]) -> dict[UUID, UUID]:
    """Return event id → erased subject, of the events that an append would refuse for it."""
    ids = {key for new in events for key in subject_ids(new.event)}
    erased = await store.read_erased(conn, ids)
    refused = {new.id: found for new in events if (found := _refused_for(new, erased)) is not None}
    if not refused:
        return refused
    rows = await conn.fetch(
        "SELECT id FROM public.crm_events WHERE id = ANY($1::uuid[])", list(refused)
    )
    for row in rows:  # a duplicate is accepted
        del refused[row["id"]]
    return refused


def _refused_for(new: NewEvent, erased: Set[UUID]) -> UUID | None:
    event = new.event
    if not is_outsider(new.cause.actor):
        return None
    found = min(subject_ids(event) & erased, default=None)
    if found is None or event.begins or isinstance(event, _LINKS):
        return found
    is_ending = event.stream in _ENDING_STREAMS or isinstance(event, _ENDINGS)
    return found if personal_content(event) and not is_ending else None
