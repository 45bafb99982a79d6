"""The state of a conversation after each of its events: mode, agent, epoch, waiting and turns."""

from uuid import uuid4

from events.conversations import (
    ConversationAdopted,
    ConversationAnswered,
    ConversationChannel,
    ConversationMessageReceived,
    ConversationReleased,
    ConversationStarted,
    ConversationTakenOver,
    ConversationWaiting,
)
from events.event import Event
from services.deciders.chats import Conversation, evolve_conversation

CONVERSATION, SESSION, MESSAGE, AGENT = (uuid4() for _ in range(4))
WIDGET = ConversationChannel.WIDGET
BEGUN = ConversationStarted(conversation_id=CONVERSATION, session_id=SESSION, channel=WIDGET)
WAITING = ConversationWaiting(conversation_id=CONVERSATION, reason="bot_failed")
TAKEN_OVER = ConversationTakenOver(conversation_id=CONVERSATION, agent_id=AGENT, epoch=1)
RELEASED = ConversationReleased(conversation_id=CONVERSATION, epoch=2)
ANSWERED = ConversationAnswered(
    conversation_id=CONVERSATION, message_id=MESSAGE, content="hi", agent_id=AGENT
)


def fold(*events: Event) -> Conversation:
    state: Conversation | None = None
    for event in events:
        state = evolve_conversation(state, event)
    assert state is not None
    return state


def test_a_takeover_ends_the_waiting_and_a_release_the_takeover() -> None:
    assert fold(BEGUN, WAITING) == Conversation(SESSION, is_waiting=True)
    taken_over = Conversation(SESSION, is_human_mode=True, agent_id=AGENT, epoch=1)
    assert fold(BEGUN, WAITING, TAKEN_OVER) == taken_over
    assert fold(BEGUN, WAITING, TAKEN_OVER, RELEASED) == Conversation(SESSION, epoch=2)


def test_an_answer_ends_the_waiting() -> None:
    answered = Conversation(SESSION, messages={MESSAGE: ("assistant", "hi")})
    assert fold(BEGUN, WAITING, ANSWERED) == answered


def test_only_messages_of_the_visitor_are_turns() -> None:
    received = [
        ConversationMessageReceived(
            conversation_id=CONVERSATION, session_id=SESSION, message_id=uuid4(), content=text
        )
        for text in ("one", "two", "three")
    ]
    assert fold(BEGUN, *received, ANSWERED).turns == 3


def test_a_system_message_is_kept_only_with_its_text() -> None:
    silent = WAITING.model_copy(update={"message_id": MESSAGE})
    assert fold(BEGUN, silent).messages == {}
    spoken = silent.model_copy(update={"content": "please wait"})
    assert fold(BEGUN, spoken).messages == {MESSAGE: ("system", "please wait")}


def test_a_change_of_the_mode_by_the_host_is_a_takeover_epoch() -> None:
    def adopted(**fields: object) -> ConversationAdopted:
        return ConversationAdopted.model_validate(
            {"conversation_id": CONVERSATION, "channel": WIDGET, **fields}
        )

    with_bot, with_agent = adopted(is_human_mode=False), adopted(is_human_mode=True)
    assert (fold(with_bot).epoch, fold(with_bot).is_human_mode) == (0, False)
    assert (fold(with_agent).epoch, fold(with_agent).is_human_mode) == (1, True)
    assert (fold(with_agent, with_bot).epoch, fold(with_agent, with_bot).is_human_mode) == (
        2,
        False,
    )
    unchanged = fold(with_agent, adopted(human_agent_id=AGENT))
    assert (unchanged.epoch, unchanged.is_human_mode, unchanged.agent_id) == (1, True, AGENT)
