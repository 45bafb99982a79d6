"""`conversations` by example."""

from uuid import UUID

from events.chat import (
    ConversationAdopted,
    ConversationAnswered,
    ConversationChannel,
    ConversationMessageAdopted,
    ConversationMessageReceived,
    ConversationReleased,
    ConversationReplied,
    ConversationStarted,
    ConversationTakenOver,
    ConversationWaiting,
    MessageRole,
    SessionIdentified,
)
from projections.conversations import projection
from tests.projections.given import AGENT, LEAD, SESSION, TALK, at, only, rows_of

STARTED = ConversationStarted(
    conversation_id=TALK, session_id=SESSION, channel=ConversationChannel.WIDGET
)
SAID = ConversationMessageReceived(conversation_id=TALK, message_id=UUID(int=100), content="hi")
WAITING = ConversationWaiting(conversation_id=TALK, reason="bot_failed")
TAKEN = ConversationTakenOver(
    conversation_id=TALK, agent_id=AGENT, epoch=1, message_id=UUID(int=101), content="Hello"
)


def test_a_conversation_begins_with_the_bot_and_once() -> None:
    rows = rows_of(projection, STARTED, STARTED)
    assert only(rows, "channel", "widget_session_id", "is_human_mode", "takeover_epoch") == [
        ("widget", SESSION, False, 0)
    ]


def test_everything_said_is_counted() -> None:
    replied = ConversationReplied(
        conversation_id=TALK, message_id=UUID(int=102), content="yes", epoch=0
    )
    rows = rows_of(projection, STARTED, SAID, replied, WAITING, TAKEN)
    assert only(rows, "message_count") == [(3,)]


def test_an_agent_takes_over_and_gives_back() -> None:
    taken = rows_of(projection, STARTED, WAITING, TAKEN)
    columns = ("is_human_mode", "human_agent_id", "human_started_at", "human_ended_at",
               "takeover_epoch", "waiting_for_human")  # fmt: skip
    assert only(taken, *columns) == [(True, AGENT, at(3), None, 1, False)]
    released = ConversationReleased(conversation_id=TALK, epoch=2)
    given_back = rows_of(projection, STARTED, WAITING, TAKEN, released)
    assert only(given_back, *columns) == [(False, AGENT, at(3), at(4), 2, False)]


def test_an_answer_ends_the_waiting() -> None:
    answered = ConversationAnswered(
        conversation_id=TALK, message_id=UUID(int=103), content="I am here", agent_id=AGENT
    )
    assert only(rows_of(projection, STARTED, WAITING), "waiting_for_human") == [(True,)]
    assert only(rows_of(projection, STARTED, WAITING, answered), "waiting_for_human") == [(False,)]


def test_it_becomes_the_leads_when_the_visitor_is_known() -> None:
    known = SessionIdentified(session_id=SESSION, lead_id=LEAD, conversation_ids=(TALK,))
    assert only(rows_of(projection, STARTED, known), "lead_id") == [(LEAD,)]


def test_a_conversation_of_the_host_begins_as_it_was_and_then_follows_the_host() -> None:
    adopted = ConversationAdopted(
        conversation_id=TALK, lead_id=LEAD, channel=ConversationChannel.SMS, is_human_mode=True
    )
    rows = rows_of(projection, adopted)
    assert only(rows, "lead_id", "channel", "is_human_mode", "takeover_epoch", "created_at") == [
        (LEAD, "sms", True, 1, at(1))
    ]
    back = ConversationAdopted(
        conversation_id=TALK, channel=ConversationChannel.CHAT, is_human_mode=False
    )
    rows = rows_of(projection, adopted, TAKEN, back)
    assert only(rows, "lead_id", "channel", "is_human_mode", "takeover_epoch", "created_at") == [
        (LEAD, "chat", False, 2, at(1))
    ]


def test_a_message_of_the_host_is_counted_and_its_edit_is_not() -> None:
    said = ConversationMessageAdopted(
        conversation_id=TALK, message_id=UUID(int=103), role=MessageRole.USER, content="hi"
    )
    edit = said.model_copy(update={"edited": True})
    assert only(rows_of(projection, STARTED, said, edit), "message_count") == [(1,)]
