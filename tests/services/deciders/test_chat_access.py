"""To whom a session and a conversation belong: each condition, on both sides."""

from uuid import UUID, uuid4

import pytest

from events.conversations import ConversationChannel, ConversationStarted
from events.event import Event
from events.sessions import SessionIdentified, SessionStarted
from services.deciders import chats
from services.deciders.chats import Chat, Conversation, Session
from services.deciders.decider import Refused
from tests.world import OTHER_VISITOR, VISITOR

SESSION, OTHER_SESSION, CONVERSATION, OTHER_CONVERSATION, LEAD, OTHER_LEAD = (
    uuid4() for _ in range(6)
)
OWNED, ANONYMOUS, LINKED = Session(VISITOR), Session(), Session(VISITOR, LEAD)
STARTED = SessionStarted(session_id=SESSION, visitor_hash=VISITOR)


def fold(*events: Event) -> Chat:
    state = Chat()
    for event in events:
        state = chats.evolve(state, event)
    return state


def identified(lead: UUID, *conversations: UUID) -> SessionIdentified:
    return SessionIdentified(session_id=SESSION, lead_id=lead, conversation_ids=conversations)


@pytest.mark.parametrize(("session", "visitor", "proven", "is_own"), [
    (None, None, None, True),
    (OWNED, VISITOR, None, True), (OWNED, OTHER_VISITOR, None, False), (OWNED, None, None, False),
    (OWNED, None, SESSION, True), (OWNED, None, OTHER_SESSION, False),
    (ANONYMOUS, None, SESSION, True), (ANONYMOUS, None, OTHER_SESSION, False),
    (ANONYMOUS, None, None, False), (ANONYMOUS, VISITOR, None, False),
])  # fmt: skip
def test_a_session_is_own_for_its_visitor_and_for_its_token(
    session: Session | None, visitor: str | None, proven: UUID | None, is_own: bool
) -> None:
    assert chats.is_own_session(session, SESSION, visitor, proven) is is_own


@pytest.mark.parametrize(("session", "proven", "is_accepted"), [
    (None, None, True), (OWNED, None, True), (OWNED, OTHER_SESSION, True),
    (ANONYMOUS, SESSION, True), (ANONYMOUS, None, False), (ANONYMOUS, OTHER_SESSION, False),
])  # fmt: skip
def test_only_a_session_without_a_visitor_needs_its_token(
    session: Session | None, proven: UUID | None, is_accepted: bool
) -> None:
    if is_accepted:
        chats.require_proof(session, SESSION, proven)
        return
    with pytest.raises(Refused) as caught:
        chats.require_proof(session, SESSION, proven)
    assert (caught.value.code, caught.value.status) == ("not_found", 404)


@pytest.mark.parametrize(("session", "expected"), [
    (LINKED, LEAD), (OWNED, OTHER_LEAD), (None, OTHER_LEAD),
])  # fmt: skip
def test_a_conversation_has_the_lead_of_its_session_or_else_its_own(
    session: Session | None, expected: UUID
) -> None:
    sessions = {} if session is None else {SESSION: session}
    state = Chat(sessions, {CONVERSATION: Conversation(SESSION, OTHER_LEAD)})
    assert chats.conversation_lead(state, SESSION, CONVERSATION) == expected
    assert chats.conversation_lead(state, None, CONVERSATION) == OTHER_LEAD
    assert chats.conversation_lead(state, None, OTHER_CONVERSATION) is None


@pytest.mark.parametrize(("session", "conversation", "is_linked"), [
    (LINKED, Conversation(SESSION), True),
    (LINKED, Conversation(SESSION, OTHER_LEAD), True),
    (LINKED, Conversation(SESSION, LEAD), False),
    (Session(VISITOR, LEAD, frozenset({CONVERSATION})), Conversation(SESSION), False),
    (OWNED, Conversation(SESSION), False),
    (LINKED, Conversation(OTHER_SESSION), False),
    (LINKED, Conversation(None), False),
])  # fmt: skip
def test_a_conversation_is_linked_once_to_the_lead_of_its_session(
    session: Session, conversation: Conversation, is_linked: bool
) -> None:
    state = Chat({SESSION: session}, {CONVERSATION: conversation})
    expected = [identified(LEAD, CONVERSATION)] if is_linked else []
    assert chats.link_to_lead(state, CONVERSATION) == expected


def test_a_session_keeps_the_conversations_of_its_lead_only() -> None:
    same = fold(STARTED, identified(LEAD, CONVERSATION), identified(LEAD, OTHER_CONVERSATION))
    both = frozenset({CONVERSATION, OTHER_CONVERSATION})
    assert same.sessions == {SESSION: Session(VISITOR, LEAD, both)}
    moved = fold(STARTED, identified(LEAD, CONVERSATION), identified(OTHER_LEAD))
    assert moved.sessions == {SESSION: Session(VISITOR, OTHER_LEAD)}


def test_a_session_that_started_is_not_started_again() -> None:
    again = SessionStarted(session_id=SESSION, visitor_hash=OTHER_VISITOR)
    assert fold(STARTED, identified(LEAD), again).sessions == {SESSION: LINKED}


def test_a_conversation_begins_with_the_bot_and_no_messages() -> None:
    begun = ConversationStarted(
        conversation_id=CONVERSATION, session_id=SESSION, channel=ConversationChannel.WIDGET
    )
    (state,) = fold(STARTED, begun).conversations.values()
    assert state == Conversation(SESSION, None, False, None, 0, False, 0, {})
