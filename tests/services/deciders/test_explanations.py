"""The decider of explanations."""

from uuid import uuid4

from events.conversations import (
    ConversationChangeExplained,
    ConversationChannel,
    ConversationStarted,
)
from events.explanations import ChangeExplained, PropertyChangeExplained
from events.leads import LeadCaptured
from events.properties import PropertyRecorded
from services.deciders.explanations import (
    ExplainChange,
    ExplainConversationChange,
    ExplainPropertyChange,
)
from tests.services.deciders.given import given

EXPLANATION, LEAD, EVENT, ANN = uuid4(), uuid4(), uuid4(), uuid4()
CAPTURED = LeadCaptured(lead_id=LEAD)
EXPLAIN = ExplainChange(EXPLANATION, LEAD, EVENT, "The visitor asked by phone.", ANN)
EXPLAINED = ChangeExplained(
    explanation_id=EXPLANATION, lead_id=LEAD, explained_event_id=EVENT,
    reason="The visitor asked by phone.", explained_by=ANN,
)  # fmt: skip


def test_a_change_is_explained_once() -> None:
    given(CAPTURED).when(EXPLAIN).then(EXPLAINED)
    given(CAPTURED, EXPLAINED).when(EXPLAIN).then()


def test_a_change_of_an_unknown_lead_cannot_be_explained() -> None:
    given().when(EXPLAIN).refused("unknown_subject", 404)


def test_a_change_of_a_conversation_is_explained_once() -> None:
    started = ConversationStarted(conversation_id=LEAD, channel=ConversationChannel.WIDGET)
    command = ExplainConversationChange(LEAD, EVENT, "She waits.", ANN)
    explained = ConversationChangeExplained(
        conversation_id=LEAD, explained_event_id=EVENT, reason="She waits.", explained_by=ANN
    )
    given(started).when(command).then(explained)
    given(started, explained).when(command).then()
    given().when(command).refused("unknown_subject", 404)


def test_a_change_of_a_property_is_explained_once() -> None:
    recorded = PropertyRecorded(property_id=LEAD, display_name="Alder")
    command = ExplainPropertyChange(EXPLANATION, LEAD, EVENT, "The office moves.", ANN)
    explained = PropertyChangeExplained(
        explanation_id=EXPLANATION, property_id=LEAD, explained_event_id=EVENT,
        reason="The office moves.", explained_by=ANN,
    )  # fmt: skip
    given(recorded).when(command).then(explained)
    given(recorded, explained).when(command).then()
    given().when(command).refused("unknown_subject", 404)
