"""Examples for `response_times`."""

from datetime import datetime
from uuid import UUID

from events.conversations import (
    ConversationAdopted,
    ConversationAnswered,
    ConversationChannel,
    ConversationMessageAdopted,
    ConversationMessageReceived,
    ConversationReplied,
    ConversationStarted,
    MessageRole,
)
from events.event import Event
from events.operations import Retained, RetentionApplied
from projections.response_times import projection
from tests.projections.given import AGENT, CONVERSATION, NOON, PROPERTY, at, only, rows_of

MINUTE = 60_000_000
ANSWERED = ("is_in_order", "answered", "answered_microseconds")
MESSAGE = {"conversation_id": CONVERSATION, "message_id": UUID(int=100), "content": "hello"}
RECEIVED = ConversationMessageReceived.model_validate(MESSAGE)
REPLIED = ConversationReplied.model_validate({**MESSAGE, "epoch": 0})
BY_AGENT = ConversationAnswered.model_validate({**MESSAGE, "agent_id": AGENT})


def started(channel: ConversationChannel) -> ConversationStarted:
    return ConversationStarted(conversation_id=CONVERSATION, channel=channel)


def adopted(role: MessageRole, *, edited: bool = False) -> ConversationMessageAdopted:
    return ConversationMessageAdopted.model_validate({**MESSAGE, "role": role, "edited": edited})


def figures(*events: Event | tuple[Event, datetime]) -> tuple[object, ...]:
    [row] = only(rows_of(projection, *events), *ANSWERED)
    return row


def test_each_message_waits_for_the_next_reply_of_bot_or_agent() -> None:
    messages = (REPLIED, RECEIVED, RECEIVED, BY_AGENT, RECEIVED, REPLIED, REPLIED, RECEIVED)
    [row] = rows_of(projection, *messages)
    assert figures(*messages) == (True, 3, (2 + 1 + 1) * MINUTE)
    assert (row["first_at"], row["last_at"], row["waiting"]) == (at(2), at(8), 1)


def test_messages_that_are_reported_late_keep_their_times() -> None:
    late = (RECEIVED, (RECEIVED, at(-4)), (RECEIVED, at(2)), REPLIED)
    assert figures(*late) == (True, 3, (3 + 8 + 2) * MINUTE)


def test_a_conversation_with_a_reply_before_an_earlier_message_is_not_in_order() -> None:
    assert figures(RECEIVED, RECEIVED, (REPLIED, at(1)))[0] is False
    assert figures(RECEIVED, REPLIED, (REPLIED, at(1)))[0] is False
    assert figures((REPLIED, at(5)), (RECEIVED, NOON), (REPLIED, NOON)) == (True, 1, 0)


def test_adopted_messages_count_and_a_changed_one_may_have_another_role() -> None:
    user, assistant = adopted(MessageRole.USER), adopted(MessageRole.ASSISTANT)
    notice = adopted(MessageRole.SYSTEM)
    assert figures(user, notice, assistant) == (True, 1, 2 * MINUTE)
    assert figures(user, adopted(MessageRole.USER, edited=True), assistant)[0] is False


def test_the_channel_is_that_of_the_conversation() -> None:
    sms = started(ConversationChannel.SMS)
    chat = ConversationAdopted(conversation_id=CONVERSATION, channel=ConversationChannel.CHAT)
    for events, is_of_widget in (
        ((sms,), False), ((sms, started(ConversationChannel.CHAT)), False), ((sms, chat), True),
        ((chat,), True), ((RECEIVED,), True),
    ):  # fmt: skip
        assert only(rows_of(projection, *events), "is_of_widget") == [(is_of_widget,)]


def test_an_expired_conversation_starts_again() -> None:
    expired = RetentionApplied(
        property_id=PROPERTY, kind=Retained.SESSIONS, cutoff=NOON, conversation_ids=(CONVERSATION,)
    )
    events = (started(ConversationChannel.SMS), RECEIVED, REPLIED, expired)
    assert rows_of(projection, *events) == []
    assert figures(*events, RECEIVED) == (True, 0, 0)
