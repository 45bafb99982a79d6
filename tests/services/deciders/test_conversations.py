"""Conversations: who may answer, and what is said only once."""

from uuid import uuid4

from events.chat import (
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
from services.deciders.conversations import Answer, Release, Reply, TakeOver, WaitForPerson
from tests.services.deciders.given import given

SESSION, CONVERSATION, AGENT = (uuid4() for _ in range(3))
BEGUN = ConversationStarted(conversation_id=CONVERSATION, session_id=SESSION,
                            channel=ConversationChannel.WIDGET)  # fmt: skip
RECEIVED = ConversationMessageReceived(conversation_id=CONVERSATION, session_id=SESSION,
                                       message_id=uuid4(), content="hello")  # fmt: skip
TAKEN = ConversationTakenOver(conversation_id=CONVERSATION, session_id=SESSION, agent_id=AGENT,
                              epoch=1)  # fmt: skip
SO_FAR = (BEGUN, RECEIVED)


def test_nothing_is_decided_about_a_conversation_that_has_not_begun() -> None:
    given().when(TakeOver(CONVERSATION, AGENT)).refused("unknown_subject", 404)


def test_a_bots_reply_of_an_older_epoch_is_refused() -> None:
    reply = uuid4()
    said = ConversationReplied(conversation_id=CONVERSATION, session_id=SESSION, message_id=reply,
                               content="hi", epoch=0)  # fmt: skip
    command = Reply(CONVERSATION, reply, "hi", epoch=0)
    given(*SO_FAR).when(command).then(said)
    given(*SO_FAR, said).when(command).then()
    given(*SO_FAR, TAKEN).when(command).refused("stale_epoch", 409)
    taken = ConversationAdopted(conversation_id=CONVERSATION, channel=ConversationChannel.WIDGET,
                                is_human_mode=True)  # fmt: skip
    given_back = taken.model_copy(update={"is_human_mode": False})
    given(*SO_FAR, taken).when(command).refused("stale_epoch", 409)
    given(*SO_FAR, taken, given_back).when(command).refused("stale_epoch", 409)
    back = ConversationReleased(conversation_id=CONVERSATION, epoch=2)
    given(*SO_FAR, TAKEN, back).when(command).refused("stale_epoch", 409)


def test_a_conversation_waits_once_and_not_while_an_agent_has_it() -> None:
    command = WaitForPerson(CONVERSATION, "bot_failed")
    waits = ConversationWaiting(conversation_id=CONVERSATION, session_id=SESSION,
                                reason="bot_failed")  # fmt: skip
    given(*SO_FAR).when(command).then(waits)
    given(*SO_FAR, waits).when(command).then()
    given(*SO_FAR, TAKEN).when(command).then()


def test_each_hand_over_is_a_new_epoch() -> None:
    given(*SO_FAR).when(TakeOver(CONVERSATION, AGENT)).then(TAKEN)
    given(*SO_FAR, TAKEN).when(TakeOver(CONVERSATION, AGENT)).then()
    given(*SO_FAR, TAKEN).when(TakeOver(CONVERSATION, uuid4())).refused("taken_over", 409)
    given(*SO_FAR, TAKEN).when(Release(CONVERSATION, AGENT)).then(
        ConversationReleased(conversation_id=CONVERSATION, session_id=SESSION, epoch=2,
                             released_by=AGENT)
    )  # fmt: skip
    given(*SO_FAR).when(Release(CONVERSATION)).then()


def test_only_the_agent_in_charge_answers() -> None:
    message = uuid4()
    answer = Answer(CONVERSATION, message, "hi", AGENT)
    given(*SO_FAR, TAKEN).when(answer).then(
        ConversationAnswered(conversation_id=CONVERSATION, session_id=SESSION, message_id=message,
                             content="hi", agent_id=AGENT)
    )  # fmt: skip
    given(*SO_FAR).when(answer).refused("not_taken_over", 409)
    other = Answer(CONVERSATION, message, "hi", uuid4())
    given(*SO_FAR, TAKEN).when(other).refused("taken_over", 409)
    late = Answer(CONVERSATION, message, "hi", AGENT, epoch=0)
    given(*SO_FAR, TAKEN).when(late).refused("stale_epoch", 409)


def test_only_the_agent_in_charge_gives_a_conversation_back_unless_anybody_may() -> None:
    other = uuid4()
    back = ConversationReleased(conversation_id=CONVERSATION, session_id=SESSION, epoch=2,
                                released_by=other)  # fmt: skip
    given(*SO_FAR, TAKEN).when(Release(CONVERSATION, other, only_own=True)).refused(
        "not_in_charge", 403
    )
    given(*SO_FAR, TAKEN).when(Release(CONVERSATION, other)).then(back)
    given(*SO_FAR).when(Release(CONVERSATION, other, only_own=True)).then()
    own = Release(CONVERSATION, AGENT, only_own=True)
    given(*SO_FAR, TAKEN).when(own).then(back.model_copy(update={"released_by": AGENT}))


def test_an_adopted_conversation_that_some_person_has_is_free_for_whoever_takes_it() -> None:
    adopted = ConversationAdopted(conversation_id=CONVERSATION, is_human_mode=True,
                                  channel=ConversationChannel.CHAT)  # fmt: skip
    taken = ConversationTakenOver(conversation_id=CONVERSATION, agent_id=AGENT, epoch=2)
    given(adopted).when(TakeOver(CONVERSATION, AGENT)).then(taken)
    given(adopted).when(Reply(CONVERSATION, uuid4(), "hi", epoch=0)).refused("stale_epoch")


def test_a_message_id_belongs_to_the_side_that_said_it() -> None:
    theirs = Answer(CONVERSATION, RECEIVED.message_id, RECEIVED.content, AGENT)
    given(*SO_FAR, TAKEN).when(theirs).refused("id_reused", 422)
    reply = Reply(CONVERSATION, RECEIVED.message_id, RECEIVED.content, epoch=0)
    given(*SO_FAR).when(reply).refused("id_reused", 422)
