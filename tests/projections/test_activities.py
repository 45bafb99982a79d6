"""Examples for `lead_activities`: given events, the rows that they leave."""

from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID, uuid5

import pytest

from events.activities import ActivityRecorded, ActivityType
from events.conversations import (
    ConversationChannel,
    ConversationMessageReceived,
    ConversationStarted,
    ConversationTakenOver,
)
from events.deliveries import (
    DeliveryChannel,
    DeliveryHandedOver,
    DeliveryPurpose,
    DeliveryReconciled,
    ReconciledOutcome,
)
from events.event import Event
from events.leads import (
    ContactChannel,
    LeadCaptured,
    LeadContacted,
    LeadImported,
    LeadNoted,
    LeadStatus,
    LeadStatusChanged,
)
from events.runs import (
    RunCompleted,
    RunConverted,
    RunEnrolled,
    RunMoved,
    RunPaused,
    RunResumed,
    RunStopped,
)
from events.sessions import SessionIdentified
from events.tasks import TaskAssigned, TaskCreated, TaskDone, TaskDue
from events.tours import TourNoShowCorrected, TourScheduled, TourStatus, TourType
from projections.activities import projection
from tests.projections.given import (
    AGENT,
    CONVERSATION,
    LEAD,
    NOON,
    SESSION,
    TOUR,
    event_id,
    only,
    rows_of,
)


def tour_scheduled(created_by: UUID | None) -> TourScheduled:
    return TourScheduled(
        tour_id=TOUR, lead_id=LEAD, tour_date=date(2026, 4, 2), tour_time=time(14), fold=0,
        time_zone="America/New_York", starts_at=datetime(2026, 4, 2, 18, tzinfo=UTC),
        duration_minutes=30, tour_type=TourType.VIRTUAL, source="widget", created_by=created_by,
    )  # fmt: skip


def test_each_event_of_a_lead_is_one_activity() -> None:
    rows = rows_of(
        projection,
        LeadCaptured(lead_id=LEAD, source='the "old" site', captured_by=AGENT),
        LeadNoted(lead_id=LEAD, note="wants a balcony", noted_by=AGENT),
        LeadStatusChanged(lead_id=LEAD, status=LeadStatus.LOST, previous_status=LeadStatus.NEW),
        LeadContacted(lead_id=LEAD, channel=ContactChannel.SMS, delivery_id=UUID(int=8)),
        ActivityRecorded(activity_id=UUID(int=9), lead_id=LEAD, type=ActivityType.CALL_MADE),
    )
    assert only(rows, "id", "type", "description", "created_by") == [
        (event_id(1), "lead_created", 'Lead from the "old" site', AGENT),
        (event_id(2), "note", "wants a balcony", AGENT),
        (event_id(3), "status_change", "Status: new → lost", None),
        (event_id(4), "sms_sent", "Contacted by sms", None),
        (event_id(5), "call_made", None, None),
    ]


def test_a_contact_by_hand_adds_no_row_beside_that_of_its_activity() -> None:
    for channel in ContactChannel:
        assert rows_of(projection, LeadContacted(lead_id=LEAD, channel=channel)) == []


def test_a_tour_of_a_visitor_is_booked_and_one_of_a_user_is_scheduled() -> None:
    rows = rows_of(projection, tour_scheduled(None), tour_scheduled(AGENT))
    assert only(rows, "type", "created_by") == [("tour_booked", None), ("tour_scheduled", AGENT)]
    assert rows[0]["description"] == "virtual tour on 2026-04-02 at 14:00"
    assert rows[0]["metadata"] == {"tour_id": str(TOUR)}


def test_a_corrected_no_show_adds_an_activity() -> None:
    corrected = TourNoShowCorrected(tour_id=TOUR, lead_id=LEAD, status=TourStatus.CONFIRMED)
    assert only(rows_of(projection, corrected), "type") == [("status_change",)]


def test_a_chat_adds_activities_only_if_it_has_a_lead() -> None:
    def activities_of_chat(lead: UUID | None) -> list[tuple[str]]:
        ids = {"conversation_id": CONVERSATION, "lead_id": lead}
        rows = rows_of(
            projection,
            ConversationStarted(**ids, channel=ConversationChannel.WIDGET),  # type: ignore[arg-type]
            ConversationMessageReceived(**ids, message_id=UUID(int=9), content="x"),  # type: ignore[arg-type]
            ConversationTakenOver(**ids, agent_id=AGENT, epoch=1),  # type: ignore[arg-type]
        )
        assert all("x" not in row["description"] for row in rows), "it belongs to the conversation"
        return only(rows, "type")

    assert activities_of_chat(None) == []
    assert activities_of_chat(LEAD) == [
        ("chat_started",),
        ("message_received",),
        ("human_takeover",),
    ]


def test_earlier_chats_of_an_identified_session_are_activities_with_ids_of_their_own() -> None:
    other = UUID(int=99)
    identified = SessionIdentified(
        session_id=SESSION, lead_id=LEAD, conversation_ids=(CONVERSATION, other)
    )
    assert only(rows_of(projection, identified), "id", "type") == [
        (uuid5(event_id(1), str(CONVERSATION)), "chat_started"),
        (uuid5(event_id(1), str(other)), "chat_started"),
    ]


def test_the_metadata_of_an_imported_lead_is_in_its_first_activity() -> None:
    imported = LeadImported(lead_id=LEAD, external_id="x", metadata={"tags": ["pets"]})
    assert only(rows_of(projection, imported), "type", "metadata") == [
        ("lead_created", {"tags": ["pets"]})
    ]


def test_each_change_of_a_run_is_an_activity() -> None:
    run, flow = UUID(int=51), UUID(int=52)
    ids: dict[str, Any] = {"run_id": run, "lead_id": LEAD}
    events: list[Event] = [
        RunEnrolled(**ids, definition_id=flow, definition_version=1, trigger="lead_created",
                    reentry_key="once"),
        RunPaused(**ids, reason="on the phone", paused_by=AGENT),
        RunResumed(**ids, resumed_by=AGENT),
        RunMoved(**ids, definition_version=2, step_number=1, moved_by=AGENT),
        RunStopped(**ids, reason="enough", code="merged"),
        RunConverted(**ids, status=LeadStatus.LEASED),
        RunCompleted(**ids),
    ]  # fmt: skip
    rows = rows_of(projection, *events)
    assert only(rows, "type", "description", "created_by") == [
        ("workflow_started", "Workflow started: lead_created", None),
        ("workflow_paused", "Workflow paused: on the phone", AGENT),
        ("workflow_resumed", "Workflow resumed", AGENT),
        ("workflow_moved", "Workflow moved to step 2 of version 2", AGENT),
        ("workflow_stopped", "Workflow stopped: enough", None),
        ("workflow_stopped", "Workflow ended: the lead is leased", None),
        ("workflow_completed", "Workflow completed", None),
    ]
    assert only(rows, "metadata")[0] == ({"run_id": str(run), "workflow_id": str(flow)},)
    assert only(rows, "metadata")[4] == ({"run_id": str(run), "code": "merged"},)


def test_each_change_of_a_task_is_an_activity() -> None:
    ids: dict[str, Any] = {"task_id": UUID(int=61), "lead_id": LEAD}
    events: list[Event] = [
        TaskCreated(**ids, title="Call", created_by=AGENT),
        TaskAssigned(**ids, assigned_agent_id=AGENT, assigned_by=AGENT),
        TaskAssigned(**ids, assigned_agent_id=None),
        TaskDue(**ids, due_at=NOON),
        TaskDone(**ids, result="She comes.", done_by=AGENT),
    ]
    assert only(rows_of(projection, *events), "type", "description", "created_by") == [
        ("task_created", "Task: Call", AGENT),
        ("task_assigned", "Task assigned", AGENT),
        ("task_assigned", "Task taken from its agent", None),
        ("task_due", "Task is due", None),
        ("task_done", "Task done: She comes.", AGENT),
    ]


def handed_over(**changes: Any) -> DeliveryHandedOver:
    fields: dict[str, Any] = {
        "delivery_id": UUID(int=50), "lead_id": LEAD, "channel": DeliveryChannel.EMAIL,
        "purpose": DeliveryPurpose.TOUR_CONFIRMATION, "tour_id": TOUR, "provider": "smtp",
        "attempt": 1, "simulated": False, "subject": "Your tour",
    }  # fmt: skip
    return DeliveryHandedOver(**{**fields, **changes})


def reconciled(outcome: ReconciledOutcome) -> DeliveryReconciled:
    return DeliveryReconciled(
        delivery_id=UUID(int=50), lead_id=LEAD, channel=DeliveryChannel.SMS,
        purpose=DeliveryPurpose.WORKFLOW, run_id=UUID(int=51), outcome=outcome,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (handed_over(), [("email_sent", "E-mail sent: Your tour")]),
        (handed_over(simulated=True),
         [("email_sent", "E-mail simulated, nobody got it: Your tour")]),
        (handed_over(channel=DeliveryChannel.SMS, subject=None), [("sms_sent", "SMS sent")]),
        (reconciled(ReconciledOutcome.DELIVERED),
         [("sms_sent", "SMS sent, as was found out later")]),
        (reconciled(ReconciledOutcome.NEVER_SENT), []),
        (reconciled(ReconciledOutcome.FAILED), []),
        (handed_over(channel=DeliveryChannel.WEBHOOK), []),
        (handed_over(purpose=DeliveryPurpose.TEST), []),
    ],
    ids=str,
)  # fmt: skip
def test_a_message_that_was_handed_over_to_the_lead_is_an_activity(
    event: DeliveryHandedOver | DeliveryReconciled, expected: list[tuple[str, str]]
) -> None:
    rows = rows_of(projection, event)
    assert only(rows, "type", "description") == expected
    for row in rows:
        assert row["metadata"]["delivery_id"] == str(UUID(int=50))
        assert row["metadata"]["simulated"] is getattr(event, "simulated", False)
