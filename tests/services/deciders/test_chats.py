"""Chats: whose session it is, and whose conversation."""

from uuid import uuid4

import pytest

from events.chat import (
    ConversationChannel,
    ConversationMessageReceived,
    ConversationStarted,
    SessionIdentified,
    SessionStarted,
)
from events.leads import LeadCaptured
from services.deciders.messages import ReceiveMessage
from services.deciders.sessions import IdentifySession, StartSession
from tests.services.deciders.given import given

SESSION, CONVERSATION, MESSAGE, LEAD = (uuid4() for _ in range(4))
HELLO = ReceiveMessage(SESSION, CONVERSATION, MESSAGE, "hello", "v_1")
STARTED = SessionStarted(session_id=SESSION, visitor_id="v_1")
BEGUN = ConversationStarted(conversation_id=CONVERSATION, session_id=SESSION,
                            channel=ConversationChannel.WIDGET)  # fmt: skip
RECEIVED = ConversationMessageReceived(conversation_id=CONVERSATION, session_id=SESSION,
                                       message_id=MESSAGE, content="hello")  # fmt: skip
ADA = LeadCaptured(lead_id=LEAD, email="ada@example.com")
SO_FAR = (STARTED, BEGUN, RECEIVED)


def test_a_first_message_begins_everything() -> None:
    given().when(HELLO).then(STARTED, BEGUN, RECEIVED)


def test_a_message_id_says_one_thing_for_ever() -> None:
    given(*SO_FAR).when(HELLO).then()
    other = ReceiveMessage(SESSION, CONVERSATION, MESSAGE, "else", "v_1")
    given(*SO_FAR).when(other).refused("id_reused", 422)


@pytest.mark.parametrize("visitor", [None, "v_2"])
def test_a_session_is_its_visitors(visitor: str | None) -> None:
    command = ReceiveMessage(SESSION, CONVERSATION, uuid4(), "hi", visitor)
    given(*SO_FAR).when(command).refused("not_found", 404)
    given(STARTED).when(StartSession(SESSION, visitor)).refused("not_found", 404)
    given(ADA, *SO_FAR).when(IdentifySession(SESSION, LEAD, (), visitor)).refused("not_found", 404)


def test_a_conversation_is_its_sessions() -> None:
    other = ReceiveMessage(uuid4(), CONVERSATION, uuid4(), "hi", "v_1")
    given(*SO_FAR).when(other).refused("not_found", 404)
    elsewhere = uuid4()
    other = ReceiveMessage(elsewhere, CONVERSATION, uuid4(), "hi", "v_1")
    there = SessionStarted(session_id=elsewhere, visitor_id="v_1")
    given(*SO_FAR, there).when(other).refused("not_found", 404)


def test_a_known_visitors_conversation_is_its_leads_from_the_start() -> None:
    known = SessionIdentified(session_id=SESSION, lead_id=LEAD)
    given(STARTED, known).when(HELLO).then(
        ConversationStarted(conversation_id=CONVERSATION, session_id=SESSION, lead_id=LEAD,
                            channel=ConversationChannel.WIDGET),
        ConversationMessageReceived(conversation_id=CONVERSATION, session_id=SESSION,
                                    lead_id=LEAD, message_id=MESSAGE, content="hello"),
    )  # fmt: skip


def test_a_conversation_that_was_overlooked_becomes_the_leads_with_its_next_message() -> None:
    known = SessionIdentified(session_id=SESSION, lead_id=LEAD)
    message = uuid4()
    command = ReceiveMessage(SESSION, CONVERSATION, message, "more", "v_1")
    found = SessionIdentified(session_id=SESSION, lead_id=LEAD, conversation_ids=(CONVERSATION,))
    said = ConversationMessageReceived(
        conversation_id=CONVERSATION,
        session_id=SESSION,
        lead_id=LEAD,
        message_id=message,
        content="more",
    )
    given(*SO_FAR, known).when(command).then(found, said)
    given(*SO_FAR, known, found).when(command).then(said)


def test_identifying_takes_the_conversations_along_once() -> None:
    command = IdentifySession(SESSION, LEAD, (CONVERSATION, uuid4()), "v_1")
    known = SessionIdentified(session_id=SESSION, lead_id=LEAD, conversation_ids=(CONVERSATION,))
    given(ADA, *SO_FAR).when(command).then(known)
    given(ADA, *SO_FAR, known).when(command).then()
    given(*SO_FAR).when(command).refused("unknown_subject")
    given(ADA).when(command).refused("unknown_subject")
    strict = IdentifySession(SESSION, LEAD, (uuid4(),), strict=True)
    given(ADA, *SO_FAR).when(strict).refused("unknown_subject")


def test_a_conversation_that_is_named_twice_is_given_once() -> None:
    command = IdentifySession(SESSION, LEAD, (CONVERSATION, CONVERSATION), "v_1")
    found = SessionIdentified(session_id=SESSION, lead_id=LEAD, conversation_ids=(CONVERSATION,))
    given(ADA, *SO_FAR).when(command).then(found)
