"""The deciders of messages and sessions: to whom a session and a conversation belong."""

from uuid import uuid4

import pytest

from events.conversations import (
    ConversationChannel,
    ConversationMessageReceived,
    ConversationStarted,
)
from events.leads import LeadCaptured
from events.sessions import SessionIdentified, SessionStarted
from services.deciders.sessions import IdentifySession, ReceiveMessage, StartSession
from tests.services.deciders.given import given
from tests.world import OTHER_VISITOR, VISITOR

SESSION, CONVERSATION, MESSAGE, LEAD = (uuid4() for _ in range(4))
HELLO = ReceiveMessage(SESSION, CONVERSATION, MESSAGE, "hello", VISITOR)
STARTED = SessionStarted(session_id=SESSION, visitor_hash=VISITOR)
BEGUN = ConversationStarted(conversation_id=CONVERSATION, session_id=SESSION,
                            channel=ConversationChannel.WIDGET)  # fmt: skip
RECEIVED = ConversationMessageReceived(conversation_id=CONVERSATION, session_id=SESSION,
                                       message_id=MESSAGE, content="hello")  # fmt: skip
ADA = LeadCaptured(lead_id=LEAD, email="ada@example.com")
HISTORY = (STARTED, BEGUN, RECEIVED)


def test_the_first_message_starts_session_and_conversation() -> None:
    given().when(HELLO).then(STARTED, BEGUN, RECEIVED)


def test_a_message_id_with_another_content_is_refused() -> None:
    given(*HISTORY).when(HELLO).then()
    other = ReceiveMessage(SESSION, CONVERSATION, MESSAGE, "else", VISITOR)
    given(*HISTORY).when(other).refused("id_reused", 422)


@pytest.mark.parametrize("visitor", [None, OTHER_VISITOR])
def test_a_session_of_another_visitor_is_not_found(visitor: str | None) -> None:
    command = ReceiveMessage(SESSION, CONVERSATION, uuid4(), "hi", visitor)
    given(*HISTORY).when(command).refused("not_found", 404)
    given(STARTED).when(StartSession(SESSION, visitor)).refused("not_found", 404)
    given(ADA, *HISTORY).when(IdentifySession(SESSION, LEAD, (), visitor)).refused("not_found", 404)


def test_a_conversation_of_another_session_is_not_found() -> None:
    other = ReceiveMessage(uuid4(), CONVERSATION, uuid4(), "hi", VISITOR)
    given(*HISTORY).when(other).refused("not_found", 404)
    elsewhere = uuid4()
    other = ReceiveMessage(elsewhere, CONVERSATION, uuid4(), "hi", VISITOR)
    there = SessionStarted(session_id=elsewhere, visitor_hash=VISITOR)
    given(*HISTORY, there).when(other).refused("not_found", 404)


def test_a_conversation_of_an_identified_session_starts_with_its_lead() -> None:
    identified = SessionIdentified(session_id=SESSION, lead_id=LEAD)
    given(STARTED, identified).when(HELLO).then(
        ConversationStarted(conversation_id=CONVERSATION, session_id=SESSION, lead_id=LEAD,
                            channel=ConversationChannel.WIDGET),
        ConversationMessageReceived(conversation_id=CONVERSATION, session_id=SESSION,
                                    lead_id=LEAD, message_id=MESSAGE, content="hello"),
    )  # fmt: skip


def test_a_conversation_that_was_not_linked_is_linked_with_its_next_message() -> None:
    identified = SessionIdentified(session_id=SESSION, lead_id=LEAD)
    message = uuid4()
    command = ReceiveMessage(SESSION, CONVERSATION, message, "more", VISITOR)
    linked = SessionIdentified(session_id=SESSION, lead_id=LEAD, conversation_ids=(CONVERSATION,))
    received = ConversationMessageReceived(
        conversation_id=CONVERSATION,
        session_id=SESSION,
        lead_id=LEAD,
        message_id=message,
        content="more",
    )
    given(*HISTORY, identified).when(command).then(linked, received)
    given(*HISTORY, identified, linked).when(command).then(received)


def test_identifying_a_session_links_its_conversations_once() -> None:
    command = IdentifySession(SESSION, LEAD, (CONVERSATION, uuid4()), VISITOR)
    identified = SessionIdentified(
        session_id=SESSION, lead_id=LEAD, conversation_ids=(CONVERSATION,)
    )
    given(ADA, *HISTORY).when(command).then(identified)
    given(ADA, *HISTORY, identified).when(command).then()
    given(*HISTORY).when(command).refused("unknown_subject")
    given(ADA).when(command).refused("unknown_subject")
    strict = IdentifySession(SESSION, LEAD, (uuid4(),), strict=True)
    given(ADA, *HISTORY).when(strict).refused("unknown_subject")


def test_a_session_is_identified_again_only_for_another_lead_or_conversation() -> None:
    bare = IdentifySession(SESSION, LEAD, (), VISITOR)
    identified = SessionIdentified(session_id=SESSION, lead_id=LEAD)
    given(ADA, *HISTORY).when(bare).then(identified)
    given(ADA, *HISTORY, identified).when(bare).then()
    command = IdentifySession(SESSION, LEAD, (CONVERSATION,), VISITOR)
    linked = SessionIdentified(session_id=SESSION, lead_id=LEAD, conversation_ids=(CONVERSATION,))
    given(ADA, *HISTORY, identified).when(command).then(linked)
    other = linked.model_copy(update={"lead_id": uuid4()})
    given(ADA, *HISTORY, other).when(command).then(linked)
    given(ADA, *HISTORY, other).when(bare).then(identified)


def test_a_conversation_that_is_listed_twice_is_linked_once() -> None:
    command = IdentifySession(SESSION, LEAD, (CONVERSATION, CONVERSATION), VISITOR)
    linked = SessionIdentified(session_id=SESSION, lead_id=LEAD, conversation_ids=(CONVERSATION,))
    given(ADA, *HISTORY).when(command).then(linked)
