"""Events of one lead with a long history, through all kinds of streams."""

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

from benchmarks.workload import CAUSE, ENGAGEMENT_TYPES, REPLIES, VISITOR_MESSAGES
from events import (
    activities,
    consents,
    conversations,
    deliveries,
    engagements,
    leads,
    runs,
    sessions,
    tasks,
    tours,
    workflows,
)
from events.event import Event
from events.record import NewEvent

DAYS = 120
"""The history began so long ago."""
CONVERSATIONS, TURNS = 8, 40
ENGAGEMENTS, NOTES = 400, 150
TOURS, RUNS, TASKS, PLANNED = 12, 10, 20, 6
STEPS = 12


class LongHistory:
    """The events of one lead. `agent` is the user who works with it."""

    def __init__(self, org_id: UUID, property_id: UUID, agent: UUID, now: datetime) -> None:
        self.org_id, self.property_id, self.agent, self.now = org_id, property_id, agent, now
        self.lead, self.definition = uuid4(), uuid4()
        self._rng = Random(1)
        self._events: list[NewEvent] = []

    def events(self) -> list[NewEvent]:
        """Return the events in the order of their instants."""
        began = self.now - timedelta(days=DAYS)
        self._add(began, leads.LeadCaptured(
            lead_id=self.lead, source="Referral", first_name="Ann", last_name="Example",
            email="ann.example@example.com", phone="+12125550123",
        ))  # fmt: skip
        for channel in (consents.ConsentChannel.EMAIL, consents.ConsentChannel.SMS):
            self._add(began + timedelta(minutes=1), consents.ConsentGiven(
                consent_id=consents.consent_id(self.lead, channel), lead_id=self.lead,
                channel=channel, place="widget", at=began, text="Yes, write to me.",
            ))  # fmt: skip
        self._add(began + timedelta(minutes=2), self._defined())
        self._add(began + timedelta(minutes=2), workflows.TemplateDefined(
            template_id=uuid4(), template_version=1, slug="hello", display_name="Hello",
            channel=workflows.MessageChannel.EMAIL, subject="Your new home", body=REPLIES[0],
        ))  # fmt: skip
        for at in self._instants(ENGAGEMENTS):
            kind = self._rng.choice(ENGAGEMENT_TYPES)
            self._add(at, engagements.EngagementRecorded(
                engagement_id=uuid4(), lead_id=self.lead, event_type=kind,
                score_weight=engagements.ENGAGEMENT_WEIGHTS[kind], metadata={"link": 3},
            ))  # fmt: skip
        for at in self._instants(NOTES):
            self._add(at, activities.ActivityRecorded(
                activity_id=uuid4(), lead_id=self.lead, type=activities.ActivityType.NOTE,
                description="Wants a quiet apartment, away from the lift.", created_by=self.agent,
            ))  # fmt: skip
        for number, at in enumerate(self._instants(CONVERSATIONS)):
            self._converse(at, is_last=number == CONVERSATIONS - 1)
        for number, at in enumerate(self._instants(TOURS)):
            self._tour(at, is_last=number == TOURS - 1)
        for number, at in enumerate(self._instants(RUNS)):
            self._run(at, is_last=number == RUNS - 1)
        for number, at in enumerate(self._instants(TASKS)):
            self._task(at, is_done=number < TASKS // 2)
        return sorted(self._events, key=lambda new: new.occurred_at)

    def _add(self, at: datetime, event: Event) -> None:
        self._events.append(
            NewEvent(uuid4(), event, self.org_id, self.property_id, min(at, self.now), CAUSE)
        )

    def _instants(self, count: int) -> Iterator[datetime]:
        """Yield evenly spaced instants from the first day to an hour ago."""
        first, last = self.now - timedelta(days=DAYS - 1), self.now - timedelta(hours=1)
        for number in range(count):
            yield first + (last - first) * (number / max(count - 1, 1))

    def _defined(self) -> Event:
        steps = tuple(
            workflows.Step(id=f"step{number}", delay_hours=1, action=workflows.StepAction.NOTE)
            for number in range(STEPS)
        )
        return workflows.WorkflowDefined(
            definition_id=self.definition,
            definition_version=1,
            display_name="Long follow-up",
            trigger_on="lead_created",
            steps=steps,
            exit_conditions=(),
        )

    def _converse(self, at: datetime, *, is_last: bool) -> None:
        """Add a conversation; an agent is in charge of the last one, and the visitor waits."""
        session, conversation = uuid4(), uuid4()
        ids: dict[str, Any] = {
            "conversation_id": conversation,
            "session_id": session,
            "lead_id": self.lead,
        }
        self._add(at, sessions.SessionStarted(session_id=session, visitor_hash=session.hex))
        self._add(at + timedelta(seconds=1), conversations.ConversationStarted(
            channel=conversations.ConversationChannel.WIDGET, **ids
        ))  # fmt: skip
        self._add(at + timedelta(seconds=2), sessions.SessionIdentified(
            session_id=session, lead_id=self.lead, conversation_ids=(conversation,)
        ))  # fmt: skip
        for turn in range(TURNS):
            turn_at = at + timedelta(seconds=10 + 30 * turn)
            self._add(turn_at, conversations.ConversationMessageReceived(
                message_id=uuid4(), content=self._rng.choice(VISITOR_MESSAGES), **ids
            ))  # fmt: skip
            self._add(turn_at + timedelta(seconds=5), conversations.ConversationReplied(
                message_id=uuid4(), content=self._rng.choice(REPLIES), epoch=0, **ids
            ))  # fmt: skip
        if is_last:
            taken_at = at + timedelta(seconds=10 + 30 * TURNS)
            self._add(taken_at, conversations.ConversationTakenOver(
                agent_id=self.agent, epoch=1, message_id=uuid4(), content="An agent joins.", **ids
            ))  # fmt: skip
            self._add(taken_at + timedelta(seconds=9), conversations.ConversationMessageReceived(
                message_id=uuid4(), content=VISITOR_MESSAGES[0], **ids
            ))  # fmt: skip

    def _tour(self, at: datetime, *, is_last: bool) -> None:
        """Add a tour that took place two days later, or one that is still to come."""
        tour = uuid4()
        starts_at = (at + timedelta(days=2)).replace(hour=15, minute=0, second=0, microsecond=0)
        self._add(at, tours.TourScheduled(
            tour_id=tour, lead_id=self.lead, tour_date=starts_at.date(), tour_time=time(11),
            time_zone="America/New_York", fold=0, starts_at=starts_at, duration_minutes=30,
            tour_type=tours.TourType.IN_PERSON, source="dashboard", created_by=self.agent,
        ))  # fmt: skip
        if not is_last and starts_at < self.now:
            self._add(starts_at, tours.TourCompleted(tour_id=tour, lead_id=self.lead))

    def _run(self, at: datetime, *, is_last: bool) -> None:
        """Add a run with a message for each step; the last run is active, with planned messages."""
        run = uuid4()
        ids: dict[str, Any] = {"lead_id": self.lead}
        self._add(at, runs.RunEnrolled(
            run_id=run, definition_id=self.definition, definition_version=1,
            trigger="lead_created", reentry_key=str(run), next_action_at=at, **ids,
        ))  # fmt: skip
        done = STEPS - PLANNED if is_last else STEPS
        for number in range(done):
            step_at = at + timedelta(minutes=5 * number)
            delivery = uuid4()
            is_ended = number == STEPS - 1
            self._add(step_at, runs.RunStepReached(
                run_id=run, step_number=number, step_id=f"step{number}",
                action=workflows.StepAction.EMAIL, outcome=runs.StepOutcome.PLANNED,
                delivery_id=delivery, next_step_number=None if is_ended else number + 1,
                next_action_at=None if is_ended else step_at + timedelta(minutes=5), **ids,
            ))  # fmt: skip
            self._deliver(step_at, delivery, run, number, is_sent=True)
        if not is_last:
            self._add(at + timedelta(hours=2), runs.RunCompleted(run_id=run, **ids))
            return
        for number in range(done, STEPS):
            self._deliver(at + timedelta(minutes=50), uuid4(), run, number, is_sent=False)

    def _deliver(
        self, at: datetime, delivery: UUID, run: UUID, number: int, *, is_sent: bool
    ) -> None:
        ids = {
            "delivery_id": delivery, "lead_id": self.lead, "run_id": run, "step_number": number,
            "channel": deliveries.DeliveryChannel.EMAIL,
            "purpose": deliveries.DeliveryPurpose.WORKFLOW,
        }  # fmt: skip
        due_at = at if is_sent else self.now + timedelta(days=1 + number)
        self._add(at, deliveries.DeliveryPlanned.model_validate({
            **ids, "due_at": due_at, "recipient": "ann.example@example.com",
            "subject": "Your new home", "body": REPLIES[0],
            "message_class": deliveries.MessageClass.MARKETING,
        }))  # fmt: skip
        if not is_sent:
            return
        if number % 4 == 3:
            self._add(at + timedelta(seconds=2), deliveries.DeliverySkipped.model_validate(
                {**ids, "reason": "frequency_cap", "values": {"sent": 3, "limit": 3}}
            ))  # fmt: skip
            return
        given = {**ids, "provider": "simulated", "attempt": 1}
        self._add(at + timedelta(seconds=2), deliveries.DeliveryClaimed.model_validate(
            {**given, "lease_until": at + timedelta(minutes=1)}
        ))  # fmt: skip
        self._add(at + timedelta(seconds=3), deliveries.DeliveryHandedOver.model_validate(
            {**given, "simulated": True, "subject": "Your new home", "body": REPLIES[0]}
        ))  # fmt: skip

    def _task(self, at: datetime, *, is_done: bool) -> None:
        task = uuid4()
        ids: dict[str, Any] = {"lead_id": self.lead}
        self._add(at, tasks.TaskCreated(
            task_id=task, title="Call back in the evening", created_by=self.agent,
            assigned_agent_id=self.agent, **ids,
        ))  # fmt: skip
        if is_done:
            self._add(at + timedelta(hours=1), tasks.TaskDone(
                task_id=task, result="She comes on Saturday.", done_by=self.agent, **ids
            ))  # fmt: skip
