"""Examples for `messages`: given events, the rows that they leave."""

from uuid import UUID

from events.conversations import (
    ConversationAnswered,
    ConversationMessageAdopted,
    ConversationMessageReceived,
    ConversationReplied,
    ConversationTakenOver,
    ConversationWaiting,
    MessageRole,
)
from projections.messages import projection
from tests.projections.given import AGENT, CONVERSATION, at, only, rows_of

FIRST, SECOND, THIRD, FOURTH = (UUID(int=n) for n in range(100, 104))


def test_each_message_has_its_role_and_author() -> None:
    rows = rows_of(
        projection,
        ConversationMessageReceived(
            conversation_id=CONVERSATION, message_id=FIRST, content="Free? 🏠"
        ),
        ConversationReplied(
            conversation_id=CONVERSATION, message_id=SECOND, content="Yes", epoch=0
        ),
        ConversationAnswered(
            conversation_id=CONVERSATION, message_id=THIRD, content="Come!", agent_id=AGENT
        ),
        ConversationTakenOver(
            conversation_id=CONVERSATION,
            agent_id=AGENT,
            epoch=1,
            message_id=FOURTH,
            content="A person",
        ),
    )
    assert only(rows, "id", "role", "author", "content", "human_agent_id", "created_at") == [
        (FIRST, "user", "visitor", "Free? 🏠", None, at(1)),
        (SECOND, "assistant", "bot", "Yes", None, at(2)),
        (THIRD, "assistant", "agent", "Come!", AGENT, at(3)),
        (FOURTH, "system", "system", "A person", None, at(4)),
    ]


def test_an_adopted_message_has_no_author_and_may_be_edited() -> None:
    message = ConversationMessageAdopted(
        conversation_id=CONVERSATION, message_id=FIRST, role=MessageRole.ASSISTANT, content="Hi"
    )
    edited = message.model_copy(update={"content": "Hi!", "edited": True})
    assert only(
        rows_of(projection, message, edited), "role", "author", "content", "created_at"
    ) == [("assistant", None, "Hi!", at(1))]


def test_a_takeover_event_without_a_notice_adds_no_message() -> None:
    waiting = ConversationWaiting(conversation_id=CONVERSATION, reason="bot_failed")
    assert rows_of(projection, waiting) == []


def test_a_message_has_the_position_of_its_event() -> None:
    received = ConversationMessageReceived(
        conversation_id=CONVERSATION, message_id=FIRST, content="late"
    )
    reply = ConversationReplied(
        conversation_id=CONVERSATION, message_id=SECOND, content="early", epoch=0
    )
    rows = rows_of(projection, (received, at(9)), (reply, at(1)))
    assert only(rows, "content", "position") == [("late", 1), ("early", 2)]
