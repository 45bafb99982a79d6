"""The declarations of event classes: subjects, streams that begin, claims, times and messages."""

from uuid import UUID

import pytest

from events.activities import ActivityRecorded, ActivityType
from events.catalog import CATALOG, EVENTS, Entry
from events.claims import CLAIMED_FIELDS, EMAIL, EXTERNAL_ID, PHONE, SLUG, claims_of, releases_of
from events.codec import decode
from events.conversations import (
    ConversationChannel,
    ConversationMessageAdopted,
    ConversationMessageReceived,
    ConversationStarted,
)
from events.event import ChangeEvent, Event, entity_id_fields
from events.ids import message_id_of
from events.log.reserved_times import TIME_EVENTS
from events.record import Stream
from events.sessions import SessionIdentified, SessionStarted
from events.subjects import begun_stream, required_streams
from events.tours import TourCancelled
from tests.events.frozen import CURRENT

every_event = pytest.mark.parametrize("entry", CATALOG.values(), ids=lambda entry: entry.name)

LEAD, SESSION, CONVERSATION, OTHER = (UUID(int=number) for number in range(1, 5))
UNIQUE_FIELDS = {
    ("lead", "email"): EMAIL,
    ("lead", "phone"): PHONE,
    ("lead", "external_id"): EXTERNAL_ID,
    ("template", "slug"): SLUG,
}
"""(stream, field) → the kind of claim: values that are unique, or that identify a person."""


@every_event
def test_every_id_of_an_entity_is_required_or_begun_or_optional(entry: Entry) -> None:
    kind = entry.kind
    begun = {kind.entity} if kind.begins else set()
    declared = kind.requires.keys() | kind.optional_ids | begun
    assert set(entity_id_fields(kind)) <= declared


@every_event
def test_declared_fields_exist_and_hold_ids_of_entities(entry: Entry) -> None:
    kind = entry.kind
    assert kind.requires.keys() | kind.optional_ids <= set(entity_id_fields(kind))
    assert not kind.requires.keys() & kind.optional_ids


@every_event
def test_an_event_that_does_not_begin_its_stream_requires_it(entry: Entry) -> None:
    is_required = entry.kind.requires.get(entry.entity) == entry.stream
    assert is_required is not entry.kind.begins


def test_every_required_stream_can_begin() -> None:
    beginning = {kind.stream for kind in EVENTS if kind.begins}
    assert beginning == {kind.stream for kind in EVENTS}
    assert {stream for kind in EVENTS for stream in kind.requires.values()} <= beginning


@pytest.mark.parametrize(
    ("event", "required"),
    [
        (SessionStarted(session_id=SESSION), []),
        (SessionStarted(session_id=SESSION, lead_id=LEAD), [Stream("lead", LEAD)]),
        (
            ConversationStarted(
                conversation_id=CONVERSATION,
                session_id=SESSION,
                channel=ConversationChannel.WIDGET,
            ),
            [Stream("session", SESSION)],
        ),
        (
            ConversationMessageReceived(
                conversation_id=CONVERSATION,
                session_id=SESSION,
                lead_id=LEAD,
                message_id=OTHER,
                content="hello",
            ),
            [
                Stream("lead", LEAD),
                Stream("session", SESSION),
                Stream("conversation", CONVERSATION),
            ],
        ),
        (
            SessionIdentified(
                session_id=SESSION, lead_id=LEAD, conversation_ids=(CONVERSATION, OTHER)
            ),
            [
                Stream("session", SESSION),
                Stream("lead", LEAD),
                Stream("conversation", CONVERSATION),
                Stream("conversation", OTHER),
            ],
        ),
        (
            ActivityRecorded(activity_id=OTHER, lead_id=LEAD, type=ActivityType.NOTE),
            [Stream("lead", LEAD)],
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Event) else "",
)
def test_required_streams_are_those_of_the_ids_in_the_event(
    event: Event, required: list[Stream]
) -> None:
    assert required_streams(event) == required


def test_a_stream_begins_only_with_a_beginning_event_and_only_if_others_require_it() -> None:
    started = SessionStarted(session_id=SESSION)
    identified = SessionIdentified(session_id=SESSION, lead_id=LEAD)
    activity = ActivityRecorded(activity_id=OTHER, lead_id=LEAD, type=ActivityType.NOTE)
    assert begun_stream(started) == Stream("session", SESSION)
    assert begun_stream(identified) is None
    assert begun_stream(activity) is None


@every_event
def test_every_unique_field_makes_a_claim(entry: Entry) -> None:
    unique = {
        field: claim_kind
        for (stream, field), claim_kind in UNIQUE_FIELDS.items()
        if stream == entry.stream and field in entry.kind.model_fields
    }
    assert CLAIMED_FIELDS.get(entry.kind, {}) == unique


@every_event
def test_a_change_of_a_unique_field_releases_the_old_value(entry: Entry) -> None:
    event = _sample(entry)
    fields = CLAIMED_FIELDS.get(entry.kind, {})
    if isinstance(event, ChangeEvent):
        changed = {kind for field, kind in fields.items() if field in event.changes}
        assert {kind for kind, _ in releases_of(event)} == changed
    assert {claim.kind for claim in claims_of(event, b"key")} <= set(fields.values())


def test_every_event_with_a_time_or_an_agent_of_a_tour_updates_the_reserved_times() -> None:
    relevant = {
        kind
        for kind in EVENTS
        if kind.stream in ("slot", "tour")
        and {"starts_at", "assigned_agent_id"} & kind.model_fields.keys()
    }
    assert set(TIME_EVENTS) == relevant | {TourCancelled}


@every_event
def test_the_message_of_every_event_is_known_except_of_adopted_ones(entry: Entry) -> None:
    event = _sample(entry)
    is_new = entry.kind is not ConversationMessageAdopted
    assert message_id_of(event) == (getattr(event, "message_id", None) if is_new else None)


def _sample(entry: Entry) -> Event:
    return decode(entry.name, entry.version, CURRENT[entry.name].payload)
