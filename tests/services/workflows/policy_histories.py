"""Events in the history of a lead on which policies act, and the runs that they start."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeAlias
from uuid import UUID, uuid4

from events.consents import ConsentChannel, ConsentWithdrawn, consent_id
from events.conversations import (
    ConversationChannel,
    ConversationMessageReceived,
    ConversationStarted,
)
from events.event import Event
from events.runs import RunEnrolled
from events.sessions import SessionStarted
from events.tours import (
    TourCompleted,
    TourConfirmed,
    TourNoShowRecorded,
)
from tests.services.application.workflow_harness import (
    WorkflowHarness,
    wait,
)
from tests.services.workflows.policy_bus import PolicyBus
from tests.tours import tour_cancelled, tour_scheduled
from tests.world import VISITOR

History: TypeAlias = Callable[[WorkflowHarness, UUID], list[Event]]


async def append(harness: WorkflowHarness, *events: Event, age: timedelta = timedelta()) -> None:
    for event in events:
        await harness.world.append(harness.world.new(event, at=harness.world.tick() - age))


async def enrolments(harness: WorkflowHarness, lead_id: UUID) -> list[RunEnrolled]:
    rows = await harness.world.pool.fetch(
        "SELECT entity_id FROM crm_events WHERE lead_id = $1 AND event_type = 'run.enrolled' "
        "ORDER BY seq",
        lead_id,
    )
    found = [(await harness.events_of("run", row["entity_id"]))[0] for row in rows]
    return [event for event in found if isinstance(event, RunEnrolled)]


async def start_run(harness: WorkflowHarness, bus: PolicyBus, **more: Any) -> tuple[UUID, UUID]:
    """Let the policies enrol a new lead in a workflow; return the lead and its run."""
    await harness.create_workflow(wait("rest", 1_000), **more)
    lead = await harness.create_lead()
    await bus.fill()
    [enrolled] = await enrolments(harness, lead)
    return lead, enrolled.run_id


def booked(lead: UUID) -> list[Event]:
    return [tour_scheduled(uuid4(), lead)]


def confirmed(lead: UUID) -> list[Event]:
    tour = uuid4()
    return [tour_scheduled(tour, lead), TourConfirmed(tour_id=tour, lead_id=lead)]


def cancelled(lead: UUID) -> list[Event]:
    tour = uuid4()
    return [tour_scheduled(tour, lead), tour_cancelled(tour, lead)]


def completed(lead: UUID) -> list[Event]:
    tour = uuid4()
    return [tour_scheduled(tour, lead), TourCompleted(tour_id=tour, lead_id=lead)]


def missed(lead: UUID) -> list[Event]:
    tour = uuid4()
    return [tour_scheduled(tour, lead), TourNoShowRecorded(tour_id=tour, lead_id=lead)]


def replied(lead: UUID) -> list[Event]:
    session, conversation = uuid4(), uuid4()
    return [
        SessionStarted(session_id=session, visitor_hash=VISITOR, lead_id=lead),
        ConversationStarted(conversation_id=conversation, session_id=session, lead_id=lead,
                            channel=ConversationChannel.WIDGET),
        ConversationMessageReceived(conversation_id=conversation, session_id=session, lead_id=lead,
                                    message_id=uuid4(), content="hello"),
    ]  # fmt: skip


def opted_out(harness: WorkflowHarness, lead: UUID) -> list[Event]:
    channel = ConsentChannel.SMS
    return [ConsentWithdrawn(consent_id=consent_id(lead, channel), lead_id=lead, channel=channel,
                             place="sms_reply", at=harness.world.now)]  # fmt: skip
