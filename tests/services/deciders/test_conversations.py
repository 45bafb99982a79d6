"""The decider of conversations: who may answer, and repeated messages."""

from typing import Any
from uuid import uuid4

from events.conversations import (
    ConversationAdopted,
    ConversationAnswered,
    ConversationChannel,
    ConversationMessageReceived,
    ConversationReleased,
    ConversationReplied,
    ConversationStarted,
    ConversationTakenOver,
    ConversationWaiting,
)
from events.event import Event
from events.record import Stream
from events.sessions import SessionIdentified, SessionStarted
from services.deciders.conversations import (
    PostAgentAnswer,
    PostBotReply,
    ReleaseConversation,
    TakeOverConversation,
    WaitForAgent,
    decider,
)
from tests.services.deciders.given import given

SESSION, CONVERSATION, AGENT = (uuid4() for _ in range(3))
BEGUN = ConversationStarted(conversation_id=CONVERSATION, session_id=SESSION,
                            channel=ConversationChannel.WIDGET)  # fmt: skip
RECEIVED = ConversationMessageReceived(conversation_id=CONVERSATION, session_id=SESSION,
                                       message_id=uuid4(), content="hello")  # fmt: skip
TAKEN_OVER = ConversationTakenOver(conversation_id=CONVERSATION, session_id=SESSION, agent_id=AGENT,
                              epoch=1)  # fmt: skip
HISTORY = (BEGUN, RECEIVED)


def test_a_conversation_that_does_not_exist_is_unknown() -> None:
    given().when(TakeOverConversation(CONVERSATION, AGENT)).refused("unknown_subject", 404)


def test_every_event_carries_the_lead_that_its_session_has_now() -> None:
    lead = uuid4()
    linked = SessionIdentified(session_id=SESSION, lead_id=lead, conversation_ids=(CONVERSATION,))
    ids: dict[str, Any] = {"conversation_id": CONVERSATION, "session_id": SESSION, "lead_id": lead}
    message = uuid4()
    history = (SessionStarted(session_id=SESSION), *HISTORY, linked)
    given(*history).when(TakeOverConversation(CONVERSATION, AGENT)).then(
        ConversationTakenOver(**ids, agent_id=AGENT, epoch=1)
    )
    given(*history, TAKEN_OVER).when(PostAgentAnswer(CONVERSATION, message, "hi", AGENT)).then(
        ConversationAnswered(**ids, message_id=message, content="hi", agent_id=AGENT)
    )
    given(*history, TAKEN_OVER).when(ReleaseConversation(CONVERSATION, AGENT)).then(
        ConversationReleased(**ids, epoch=2, released_by=AGENT)
    )
    given(*history).when(PostBotReply(CONVERSATION, message, "hi", epoch=0)).then(
        ConversationReplied(**ids, message_id=message, content="hi", epoch=0)
    )
    given(*history).when(WaitForAgent(CONVERSATION, "bot_failed")).then(
        ConversationWaiting(**ids, reason="bot_failed")
    )


def test_a_conversation_that_is_not_linked_to_the_lead_of_its_session_is_linked_first() -> None:
    lead = uuid4()
    named_none = SessionIdentified(session_id=SESSION, lead_id=lead)
    linked = SessionIdentified(session_id=SESSION, lead_id=lead, conversation_ids=(CONVERSATION,))
    taken = TAKEN_OVER.model_copy(update={"lead_id": lead})
    taken.model_fields_set.add("lead_id")
    history = (SessionStarted(session_id=SESSION), *HISTORY, named_none)
    command = TakeOverConversation(CONVERSATION, AGENT)
    given(*history).when(command).then(linked, taken)
    given(*history, linked, taken).when(command).then()


def test_a_bot_reply_with_an_old_takeover_epoch_is_refused() -> None:
    reply = uuid4()
    replied = ConversationReplied(
        conversation_id=CONVERSATION, session_id=SESSION, message_id=reply, content="hi", epoch=0
    )
    command = PostBotReply(CONVERSATION, reply, "hi", epoch=0)
    given(*HISTORY).when(command).then(replied)
    given(*HISTORY, replied).when(command).then()
    given(*HISTORY, TAKEN_OVER).when(command).refused("stale_epoch", 409)
    taken = ConversationAdopted(conversation_id=CONVERSATION, channel=ConversationChannel.WIDGET,
                                is_human_mode=True)  # fmt: skip
    given_back = taken.model_copy(update={"is_human_mode": False})
    given(*HISTORY, taken).when(command).refused("stale_epoch", 409)
    given(*HISTORY, taken, given_back).when(command).refused("stale_epoch", 409)
    back = ConversationReleased(conversation_id=CONVERSATION, epoch=2)
    given(*HISTORY, TAKEN_OVER, back).when(command).refused("stale_epoch", 409)


def test_a_conversation_waits_once_and_never_while_an_agent_is_in_charge() -> None:
    command = WaitForAgent(CONVERSATION, "bot_failed")
    waits = ConversationWaiting(conversation_id=CONVERSATION, session_id=SESSION,
                                reason="bot_failed")  # fmt: skip
    given(*HISTORY).when(command).then(waits)
    given(*HISTORY, waits).when(command).then()
    given(*HISTORY, TAKEN_OVER).when(command).then()


def test_each_takeover_and_release_is_a_new_epoch() -> None:
    given(*HISTORY).when(TakeOverConversation(CONVERSATION, AGENT)).then(TAKEN_OVER)
    given(*HISTORY, TAKEN_OVER).when(TakeOverConversation(CONVERSATION, AGENT)).then()
    given(*HISTORY, TAKEN_OVER).when(TakeOverConversation(CONVERSATION, uuid4())).refused(
        "taken_over", 409
    )
    given(*HISTORY, TAKEN_OVER).when(ReleaseConversation(CONVERSATION, AGENT)).then(
        ConversationReleased(conversation_id=CONVERSATION, session_id=SESSION, epoch=2,
                             released_by=AGENT)
    )  # fmt: skip
    given(*HISTORY).when(ReleaseConversation(CONVERSATION)).then()


def test_only_the_agent_in_charge_can_answer() -> None:
    message = uuid4()
    answer = PostAgentAnswer(CONVERSATION, message, "hi", AGENT)
    given(*HISTORY, TAKEN_OVER).when(answer).then(
        ConversationAnswered(conversation_id=CONVERSATION, session_id=SESSION, message_id=message,
                             content="hi", agent_id=AGENT)
    )  # fmt: skip
    given(*HISTORY).when(answer).refused("not_taken_over", 409)
    other = PostAgentAnswer(CONVERSATION, message, "hi", uuid4())
    given(*HISTORY, TAKEN_OVER).when(other).refused("taken_over", 409)
    late = PostAgentAnswer(CONVERSATION, message, "hi", AGENT, epoch=0)
    given(*HISTORY, TAKEN_OVER).when(late).refused("stale_epoch", 409)


def test_only_own_limits_a_release_to_the_agent_in_charge() -> None:
    other = uuid4()
    back = ConversationReleased(conversation_id=CONVERSATION, session_id=SESSION, epoch=2,
                                released_by=other)  # fmt: skip
    given(*HISTORY, TAKEN_OVER).when(
        ReleaseConversation(CONVERSATION, other, only_own=True)
    ).refused("not_in_charge", 403)
    given(*HISTORY, TAKEN_OVER).when(ReleaseConversation(CONVERSATION, other)).then(back)
    given(*HISTORY).when(ReleaseConversation(CONVERSATION, other, only_own=True)).then()
    own = ReleaseConversation(CONVERSATION, AGENT, only_own=True)
    given(*HISTORY, TAKEN_OVER).when(own).then(back.model_copy(update={"released_by": AGENT}))


def test_an_adopted_conversation_in_human_mode_without_an_agent_can_be_taken_over() -> None:
    adopted = ConversationAdopted(conversation_id=CONVERSATION, is_human_mode=True,
                                  channel=ConversationChannel.CHAT)  # fmt: skip
    taken = ConversationTakenOver(conversation_id=CONVERSATION, agent_id=AGENT, epoch=2)
    given(adopted).when(TakeOverConversation(CONVERSATION, AGENT)).then(taken)
    given(adopted).when(PostBotReply(CONVERSATION, uuid4(), "hi", epoch=0)).refused("stale_epoch")


def test_a_decision_reads_the_session_of_a_conversation_that_has_one() -> None:
    assert references(BEGUN) == [Stream("session", SESSION)]
    assert references(BEGUN.model_copy(update={"session_id": None})) == []


def references(*events: Event) -> list[Stream]:
    """Return the streams that the decider reads after these events."""
    state = decider.initial
    for event in events:
        state = decider.evolve(state, event)
    return list(decider.references(state))


def test_a_message_id_without_a_text_is_no_repeated_message() -> None:
    taken = TAKEN_OVER.model_copy(update={"message_id": RECEIVED.message_id})
    taken.model_fields_set.add("message_id")
    command = TakeOverConversation(CONVERSATION, AGENT, RECEIVED.message_id)
    given(*HISTORY).when(command).then(taken)


def test_a_message_id_of_another_role_is_refused() -> None:
    repeated = PostAgentAnswer(CONVERSATION, RECEIVED.message_id, RECEIVED.content, AGENT)
    given(*HISTORY, TAKEN_OVER).when(repeated).refused("id_reused", 422)
    reply = PostBotReply(CONVERSATION, RECEIVED.message_id, RECEIVED.content, epoch=0)
    given(*HISTORY).when(reply).refused("id_reused", 422)
