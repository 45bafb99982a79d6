"""The decider of conversations: who may answer, and repeated messages."""

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
from services.deciders.conversations import (
    PostAgentAnswer,
    PostBotReply,
    ReleaseConversation,
    TakeOverConversation,
    WaitForAgent,
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


def test_a_message_id_of_another_role_is_refused() -> None:
    repeated = PostAgentAnswer(CONVERSATION, RECEIVED.message_id, RECEIVED.content, AGENT)
    given(*HISTORY, TAKEN_OVER).when(repeated).refused("id_reused", 422)
    reply = PostBotReply(CONVERSATION, RECEIVED.message_id, RECEIVED.content, epoch=0)
    given(*HISTORY).when(reply).refused("id_reused", 422)
