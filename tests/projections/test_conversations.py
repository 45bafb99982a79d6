"""`conversations` by example."""

from uuid import UUID

from events.conversations import (
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
)
from events.sessions import SessionIdentified
from projections.conversations import projection
from tests.projections.given import AGENT, CONVERSATION, LEAD, SESSION, at, only, rows_of

STARTED = ConversationStarted(
    conversation_id=CONVERSATION, session_id=SESSION, channel=ConversationChannel.WIDGET
)
RECEIVED = ConversationMessageReceived(
    conversation_id=CONVERSATION, message_id=UUID(int=100), content="hi"
)
WAITING = ConversationWaiting(conversation_id=CONVERSATION, reason="bot_failed")
TAKEN_OVER = ConversationTakenOver(
    conversation_id=CONVERSATION, agent_id=AGENT, epoch=1, message_id=UUID(int=101), content="Hello"
)


def test_a_conversation_starts_with_the_bot_and_a_second_start_is_ignored() -> None:
    rows = rows_of(projection, STARTED, STARTED)
    assert only(rows, "channel", "widget_session_id", "is_human_mode", "takeover_epoch") == [
        ("widget", SESSION, False, 0)
    ]


def test_all_messages_are_counted() -> None:
    replied = ConversationReplied(
        conversation_id=CONVERSATION, message_id=UUID(int=102), content="yes", epoch=0
    )
    rows = rows_of(projection, STARTED, RECEIVED, replied, WAITING, TAKEN_OVER)
    assert only(rows, "message_count") == [(3,)]


def test_takeover_and_release_set_the_agent_columns() -> None:
    after_takeover = rows_of(projection, STARTED, WAITING, TAKEN_OVER)
    columns = ("is_human_mode", "human_agent_id", "human_started_at", "human_ended_at",
               "takeover_epoch", "waiting_for_human")  # fmt: skip
    assert only(after_takeover, *columns) == [(True, AGENT, at(3), None, 1, False)]
    released = ConversationReleased(conversation_id=CONVERSATION, epoch=2)
    after_release = rows_of(projection, STARTED, WAITING, TAKEN_OVER, released)
    assert only(after_release, *columns) == [(False, AGENT, at(3), at(4), 2, False)]


def test_an_agent_reply_ends_the_waiting() -> None:
    answered = ConversationAnswered(
        conversation_id=CONVERSATION, message_id=UUID(int=103), content="I am here", agent_id=AGENT
    )
    assert only(rows_of(projection, STARTED, WAITING), "waiting_for_human") == [(True,)]
    assert only(rows_of(projection, STARTED, WAITING, answered), "waiting_for_human") == [(False,)]


def test_an_identified_session_links_its_conversations_to_the_lead() -> None:
    identified = SessionIdentified(
        session_id=SESSION, lead_id=LEAD, conversation_ids=(CONVERSATION,)
    )
    assert only(rows_of(projection, STARTED, identified), "lead_id") == [(LEAD,)]


def test_an_adopted_conversation_keeps_its_values_and_follows_the_host() -> None:
    adopted = ConversationAdopted(
        conversation_id=CONVERSATION,
        lead_id=LEAD,
        channel=ConversationChannel.SMS,
        is_human_mode=True,
    )
    rows = rows_of(projection, adopted)
    assert only(rows, "lead_id", "channel", "is_human_mode", "takeover_epoch", "created_at") == [
        (LEAD, "sms", True, 1, at(1))
    ]
    changed_by_host = ConversationAdopted(
        conversation_id=CONVERSATION, channel=ConversationChannel.CHAT, is_human_mode=False
    )
    rows = rows_of(projection, adopted, TAKEN_OVER, changed_by_host)
    assert only(rows, "lead_id", "channel", "is_human_mode", "takeover_epoch", "created_at") == [
        (LEAD, "chat", False, 2, at(1))
    ]


def test_an_adopted_message_is_counted_and_its_edit_is_not() -> None:
    message = ConversationMessageAdopted(
        conversation_id=CONVERSATION, message_id=UUID(int=103), role=MessageRole.USER, content="hi"
    )
    edit = message.model_copy(update={"edited": True})
    assert only(rows_of(projection, STARTED, message, edit), "message_count") == [(1,)]
