"""The decider of explanations."""

from uuid import uuid4

from events.explanations import ChangeExplained
from events.leads import LeadCaptured
from services.deciders.explanations import ExplainChange
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
