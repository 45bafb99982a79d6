"""`messages` by example."""

from uuid import UUID

from events.chat import (
    ConversationAnswered,
    ConversationMessageAdopted,
    ConversationMessageReceived,
    ConversationReplied,
    ConversationTakenOver,
    ConversationWaiting,
    MessageRole,
)
from projections.messages import projection
from tests.projections.given import AGENT, TALK, at, only, rows_of

FIRST, SECOND, THIRD, FOURTH = (UUID(int=n) for n in range(100, 104))


def test_each_message_has_its_role_and_author() -> None:
    rows = rows_of(
        projection,
        ConversationMessageReceived(conversation_id=TALK, message_id=FIRST, content="Free? 🏠"),
        ConversationReplied(conversation_id=TALK, message_id=SECOND, content="Yes", epoch=0),
        ConversationAnswered(
            conversation_id=TALK, message_id=THIRD, content="Come!", agent_id=AGENT
        ),
        ConversationTakenOver(
            conversation_id=TALK, agent_id=AGENT, epoch=1, message_id=FOURTH, content="A person"
        ),
    )
    assert only(rows, "id", "role", "author", "content", "human_agent_id", "created_at") == [
        (FIRST, "user", "visitor", "Free? 🏠", None, at(1)),
        (SECOND, "assistant", "bot", "Yes", None, at(2)),
        (THIRD, "assistant", "agent", "Come!", AGENT, at(3)),
        (FOURTH, "system", "system", "A person", None, at(4)),
    ]


def test_a_message_of_the_host_has_no_author_and_may_be_edited() -> None:
    said = ConversationMessageAdopted(
        conversation_id=TALK, message_id=FIRST, role=MessageRole.ASSISTANT, content="Hi"
    )
    edited = said.model_copy(update={"content": "Hi!", "edited": True})
    assert only(rows_of(projection, said, edited), "role", "author", "content", "created_at") == [
        ("assistant", None, "Hi!", at(1))
    ]


def test_a_change_of_hands_that_tells_nobody_is_no_message() -> None:
    waiting = ConversationWaiting(conversation_id=TALK, reason="bot_failed")
    assert rows_of(projection, waiting) == []


def test_a_message_knows_its_place_in_the_log() -> None:
    said = ConversationMessageReceived(conversation_id=TALK, message_id=FIRST, content="late")
    reply = ConversationReplied(conversation_id=TALK, message_id=SECOND, content="early", epoch=0)
    rows = rows_of(projection, (said, at(9)), (reply, at(1)))
    assert only(rows, "content", "position") == [("late", 1), ("early", 2)]
