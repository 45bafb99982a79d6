"""The order of turns: organisations alternate, and a property is taken once at a time."""

from collections import deque
from uuid import UUID, uuid4

import pytest

from events.engagements import EngagementRecorded, EngagementType
from events.event import Event
from events.leads import LeadNoted
from events.record import Cause, NewEvent
from services.intake.decided import PropertyQueue, Turns
from services.intake.outcome import IntakeItem
from tests.services.intake.producer_records import binary_record
from tests.world import START

FLOODER, OTHER = UUID(int=1), UUID(int=2)
DECIDED = LeadNoted(lead_id=uuid4(), note="hello")
OBSERVED = EngagementRecorded(
    engagement_id=uuid4(), lead_id=uuid4(), event_type=EngagementType.PRICE_CHECK, score_weight=12
)


def make_queue(org_id: UUID, event: Event = DECIDED) -> PropertyQueue:
    property_id = uuid4()
    new = NewEvent(uuid4(), event, org_id, property_id, START, Cause("producer:/x"))
    return deque([IntakeItem(binary_record("lead.noted", {}, property_id), new=new)])


def test_organisations_alternate_and_the_queues_of_one_keep_their_order() -> None:
    first, second, third, alone = *(make_queue(FLOODER) for _ in range(3)), make_queue(OTHER)
    turns = Turns([first, second, third, alone])
    assert [turns.take() for _ in range(5)] == [first, alone, second, third, None]


def test_a_queue_that_is_given_back_waits_behind_the_others_of_its_organisation() -> None:
    first, second, alone = make_queue(FLOODER), make_queue(FLOODER), make_queue(OTHER)
    turns = Turns([first, second, alone])
    assert turns.take() is first
    turns.give_back(first)
    assert [turns.take() for _ in range(4)] == [alone, second, first, None]


def test_a_taken_queue_is_free_again_only_when_it_is_given_back() -> None:
    queue = make_queue(OTHER)
    turns = Turns([queue])
    assert (turns.take(), turns.take()) == (queue, None)
    turns.give_back(queue)
    assert (turns.take(), turns.take()) == (queue, None)


@pytest.mark.parametrize("events", [(), (OBSERVED,), (OBSERVED, DECIDED)])
def test_a_queue_without_a_decided_event_at_its_head_has_no_turn(events: tuple[Event, ...]) -> None:
    queue = deque(item for event in events for item in make_queue(OTHER, event))
    assert Turns([queue]).take() is None


def test_only_the_head_of_a_queue_must_be_decided() -> None:
    queue = make_queue(OTHER) + make_queue(OTHER, OBSERVED)
    assert Turns([queue]).take() is queue
