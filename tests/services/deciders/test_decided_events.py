"""Decided intake: an event of a producer is decided as the core's own command would be."""

from datetime import UTC, date, datetime, time
from typing import Any
from uuid import uuid4

import pytest

from events.consents import ConsentChannel, ConsentGiven, ConsentWithdrawn, consent_id
from events.conversations import (
    ConversationAnswered,
    ConversationChannel,
    ConversationReleased,
    ConversationReplied,
    ConversationStarted,
    ConversationTakenOver,
    ConversationWaiting,
)
from events.event import Event
from events.leads import (
    LeadAssigned,
    LeadCaptured,
    LeadImported,
    LeadNoted,
    LeadStatus,
    LeadStatusChanged,
    LeadUpdated,
)
from events.sessions import SessionIdentified, SessionStarted
from events.tours import (
    TourAmended,
    TourCancelled,
    TourCompleted,
    TourConfirmed,
    TourNoShowCorrected,
    TourNoShowRecorded,
    TourRescheduled,
    TourScheduled,
    TourStatus,
    TourType,
)
from services.deciders.decided_events import (
    COMMAND_OF,
    DecisionContext,
    command_for,
    normalize_details,
)
from services.deciders.decider import Refused
from services.deciders.local_time import When
from tests.services.deciders.given import given

LEAD, OTHER, TOUR, SLOT, SESSION, CHAT, AGENT = (uuid4() for _ in range(7))
MESSAGE, REPLY = uuid4(), uuid4()
BEFORE = datetime(2026, 4, 1, tzinfo=UTC)
AFTER = datetime(2026, 4, 3, tzinfo=UTC)
"""Instants before and after the tour."""
WHEN = When(date(2026, 4, 2), time(14), "America/New_York", 0, 45)
LATER = When(date(2026, 11, 1), time(1, 30), "America/New_York", 1, 60)
EMAIL, PHONE = "ada@example.com", "+12125550100"
CONTACT = {"email": EMAIL, "phone": PHONE, "email_key": EMAIL, "phone_key": PHONE}

ADA = LeadCaptured(lead_id=LEAD, email=EMAIL, email_key=EMAIL)
CAPTURED = LeadCaptured.model_validate({
    "lead_id": LEAD, "status": "new", "source": "luma", "first_name": "Ada", "last_name": "King",
    "move_in_date": date(2026, 6, 1), "bedrooms": "2", "notes": "a cat", "session_id": SESSION,
    "captured_by": AGENT, **CONTACT,
})  # fmt: skip
TOUR_IDS: dict[str, Any] = {"tour_id": TOUR, "lead_id": LEAD}
SCHEDULED = TourScheduled.model_validate({
    **TOUR_IDS, **WHEN.event_fields, "tour_type": TourType.VIRTUAL, "source": "partner",
    "notes": "ring", "assigned_agent_id": AGENT, "created_by": OTHER, "slot_id": SLOT,
    "send_confirmation": False,
})  # fmt: skip
BOOKED = (ADA, SCHEDULED)
MOVED = TourRescheduled.model_validate({**TOUR_IDS, **WHEN.event_fields, "revision": 2})
NO_SHOW = TourNoShowRecorded(**TOUR_IDS, recorded_by=AGENT)
STARTED = SessionStarted(session_id=SESSION)
CHAT_IDS: dict[str, Any] = {"conversation_id": CHAT, "session_id": SESSION}
CHATTING = (STARTED, ConversationStarted(**CHAT_IDS, channel=ConversationChannel.WIDGET))
TAKEN_OVER = ConversationTakenOver(
    **CHAT_IDS, agent_id=AGENT, epoch=1, message_id=MESSAGE, content="Ann is here"
)
CONSENT: dict[str, Any] = {
    "consent_id": consent_id(LEAD, ConsentChannel.SMS), "lead_id": LEAD,
    "channel": ConsentChannel.SMS, "text": "yes", "place": "import", "at": BEFORE,
    "recorded_by": AGENT, "source": "form 7",
}  # fmt: skip

AGREED: list[tuple[tuple[Event, ...], Event]] = [
    ((), CAPTURED),
    ((ADA,), LeadUpdated(lead_id=LEAD, first_name="Grace", notes=None, updated_by=AGENT)),
    (
        (ADA,),
        LeadStatusChanged(
            lead_id=LEAD, status=LeadStatus.LOST, previous_status=LeadStatus.NEW, reason="moved",
            changed_by=AGENT,
        ),
    ),
    ((ADA,), LeadAssigned(lead_id=LEAD, assigned_agent_id=AGENT, assigned_by=OTHER)),
    ((ADA,), LeadNoted(lead_id=LEAD, note="called", noted_by=AGENT)),
    ((ADA, LeadStatusChanged(lead_id=LEAD, status=LeadStatus.APPLIED)), SCHEDULED),
    (
        BOOKED,
        TourRescheduled.model_validate({
            **TOUR_IDS, **LATER.event_fields, "revision": 2, "reason": "rain",
            "rescheduled_by": AGENT, "slot_id": OTHER, "send_notification": True,
        }),
    ),
    (BOOKED, TourAmended(**TOUR_IDS, notes=None, tour_type=TourType.IN_PERSON, amended_by=AGENT)),
    (BOOKED, TourConfirmed(**TOUR_IDS, confirmed_by=AGENT, send_notification=True)),
    (
        (*BOOKED, LeadStatusChanged(lead_id=LEAD, status=LeadStatus.LEASED)),
        TourCompleted(**TOUR_IDS, completed_by=AGENT),
    ),
    (
        BOOKED,
        TourCancelled(**TOUR_IDS, reason="rain", cancelled_by=AGENT, send_notification=True),
    ),
    (BOOKED, NO_SHOW),
    (
        (*BOOKED, NO_SHOW),
        TourNoShowCorrected(
            **TOUR_IDS, status=TourStatus.COMPLETED, reason="late", corrected_by=AGENT
        ),
    ),
    (
        (ADA, *CHATTING),
        SessionIdentified(session_id=SESSION, lead_id=LEAD, conversation_ids=(CHAT,)),
    ),
    (
        CHATTING,
        ConversationReplied(
            **CHAT_IDS, message_id=REPLY, content="hi", epoch=0, in_reply_to=MESSAGE
        ),
    ),
    (
        (*CHATTING, TAKEN_OVER),
        ConversationAnswered(**CHAT_IDS, message_id=REPLY, content="hi", agent_id=AGENT, epoch=1),
    ),
    (
        CHATTING,
        ConversationWaiting(**CHAT_IDS, reason="bot_failed", message_id=REPLY, content="wait"),
    ),
    (CHATTING, TAKEN_OVER),
    (
        (*CHATTING, TAKEN_OVER),
        ConversationReleased(
            **CHAT_IDS, epoch=2, released_by=OTHER, message_id=REPLY, content="bye"
        ),
    ),
    ((ADA,), ConsentGiven(**CONSENT)),
    ((ADA,), ConsentWithdrawn(**CONSENT, keyword="STOP")),
]  # fmt: skip
"""(events before, an event with all of its fields): the core decides exactly this event."""


def context_of(event: Event) -> DecisionContext:
    is_booking = isinstance(event, TourScheduled | TourRescheduled)
    return DecisionContext(BEFORE if is_booking else AFTER)


@pytest.mark.parametrize(("before", "event"), AGREED, ids=lambda value: getattr(value, "name", ""))
def test_the_core_decides_the_event_that_the_producer_sent(
    before: tuple[Event, ...], event: Event
) -> None:
    given(*before).when(command_for(event, context_of(event))).then(event)


def test_every_decided_event_is_in_the_table() -> None:
    assert {type(event) for _, event in AGREED} == set(COMMAND_OF)


def test_an_event_that_only_the_core_writes_has_no_command() -> None:
    imported = LeadImported(lead_id=LEAD, external_id="7")
    with pytest.raises(Refused, match=r"lead\.imported is written by the core only") as caught:
        command_for(imported, DecisionContext(AFTER))
    assert (caught.value.code, caught.value.status) == ("not_for_producers", 400)


@pytest.mark.parametrize(("event", "before"), [
    (SCHEDULED, ()),
    (MOVED, (SCHEDULED,)),
])  # fmt: skip
def test_a_tour_is_at_the_local_time_of_its_property(
    event: TourScheduled | TourRescheduled, before: tuple[Event, ...]
) -> None:
    context = DecisionContext(BEFORE, time_zone="America/Chicago")
    decided, *_ = given(ADA, *before).when(command_for(event, context)).events
    assert isinstance(decided, TourScheduled | TourRescheduled)
    assert decided.time_zone == "America/Chicago"
    assert (decided.tour_date, decided.tour_time) == (event.tour_date, event.tour_time)
    assert decided.starts_at == datetime(2026, 4, 2, 19, tzinfo=UTC)


def test_the_time_of_the_event_is_compared_with_that_of_the_tour() -> None:
    early = DecisionContext(BEFORE)
    for event in (TourCompleted(**TOUR_IDS), TourNoShowRecorded(**TOUR_IDS)):
        given(*BOOKED).when(command_for(event, early)).refused("tour_in_future")
    late = command_for(SCHEDULED, DecisionContext(AFTER))
    given(ADA).when(late).refused("tour_in_past")


def test_details_of_a_lead_that_exists_fill_it_and_the_others_become_a_note() -> None:
    event = LeadCaptured(
        lead_id=OTHER, email=EMAIL, first_name="Eve", last_name="Stone", bedrooms=""
    )
    named = LeadUpdated(lead_id=LEAD, first_name="Ada")
    command = command_for(event, DecisionContext(AFTER, contact_owner=LEAD))
    given(ADA, named).when(command).then(
        LeadUpdated(lead_id=LEAD, last_name="Stone"),
        LeadNoted(
            lead_id=LEAD,
            note="A producer reported this person as a new lead, with other details:\n"
            "First name: Eve",
        ),
    )


def test_only_a_new_e_mail_address_is_compared_with_other_leads() -> None:
    context = DecisionContext(AFTER, contact_owner=OTHER)
    taken = LeadUpdated(lead_id=LEAD, email="eve@example.com")
    given(ADA).when(command_for(taken, context)).refused("known_lead", 409)
    for changes in ({"first_name": "Eve"}, {"email": None}):
        event = LeadUpdated.model_validate({"lead_id": LEAD, **changes})
        assert given(ADA).when(command_for(event, context)).events == [event]


def test_a_producer_cannot_link_a_conversation_that_does_not_exist() -> None:
    event = SessionIdentified(session_id=SESSION, lead_id=LEAD, conversation_ids=(CHAT,))
    command = command_for(event, DecisionContext(AFTER))
    given(ADA, STARTED).when(command).refused("unknown_subject", 404)


def test_a_producer_needs_no_visitor_id_to_link_a_session() -> None:
    event = SessionIdentified(session_id=SESSION, lead_id=LEAD)
    started = SessionStarted(session_id=SESSION, visitor_hash="0" * 32)
    given(ADA, started).when(command_for(event, DecisionContext(AFTER))).then(event)


def test_details_are_normalized() -> None:
    event = LeadUpdated(
        lead_id=LEAD, first_name=" Ada\n", last_name="King  Noel", email=f" {EMAIL} ",
        phone="(212) 555-0100",
    )  # fmt: skip
    normalized = normalize_details(event, "US")
    assert isinstance(normalized, LeadUpdated)
    assert (normalized.first_name, normalized.last_name) == ("Ada", "King Noel")
    assert (normalized.email, normalized.phone) == (EMAIL, PHONE)
    german = normalize_details(LeadUpdated(lead_id=LEAD, phone="030 1234567"), "DE")
    assert german == LeadUpdated(lead_id=LEAD, phone="+49301234567")


@pytest.mark.parametrize("event", [
    LeadUpdated(lead_id=LEAD, email=None, phone=None, first_name=None),
    LeadAssigned(lead_id=LEAD, assigned_agent_id=AGENT),
], ids=lambda event: str(event.name))  # fmt: skip
def test_an_event_without_details_stays_as_it_is(event: Event) -> None:
    assert normalize_details(event, "US") is event
