"""Steps of a history: each returns events that the core could have appended."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from typing import Any, TypeAlias
from uuid import uuid4

from events import catalog
from events.activities import REPORTED_ACTIVITIES, ActivityRecorded
from events.conversations import (
    ConversationAdopted,
    ConversationAnswered,
    ConversationChannel,
    ConversationMessageAdopted,
    ConversationMessageReceived,
    ConversationReleased,
    ConversationReplied,
    ConversationStarted,
    ConversationTakenOver,
    ConversationWaiting,
    MessageRole,
)
from events.engagements import ENGAGEMENT_WEIGHTS, EngagementRecorded, EngagementType
from events.event import Event
from events.leads import (
    ContactChannel,
    LeadAdopted,
    LeadAssigned,
    LeadCaptured,
    LeadContacted,
    LeadImported,
    LeadNoted,
    LeadStatus,
    LeadStatusChanged,
    LeadUpdated,
)
from events.merges import LeadMerged, LeadUnmerged
from events.operations import Retained, RetentionApplied
from events.scores import ScoreDue
from events.sessions import SessionIdentified, SessionStarted
from events.widgets import WidgetConfigured, WidgetKeyIssued, WidgetKeyRevoked
from tests.replay_determinism import erasures, slots, tasks, tours, workflows
from tests.replay_determinism.property import (
    SOURCES,
    WORDS,
    Conversation,
    HistoryStep,
    PropertyModel,
    Session,
)
from tests.replay_determinism.samples import event_of_sample
from tests.world import VISITOR

StepFunction: TypeAlias = Callable[[PropertyModel, HistoryStep], Iterable[Event]]
STEPS: dict[str, StepFunction] = {}
WRITTEN_STEPS: set[type[Event]] = set()


def register_step(*kinds: type[Event]) -> Callable[[StepFunction], StepFunction]:
    """Register a step function and the event classes that it may return."""

    def register(function: StepFunction) -> StepFunction:
        STEPS[function.__name__] = function
        WRITTEN_STEPS.update(kinds)
        return function

    return register


@register_step(LeadCaptured, LeadImported, LeadAdopted)
def add_lead(model: PropertyModel, step: HistoryStep) -> list[Event]:
    variant, number = step.variant, next(model.numbers)
    lead_id = uuid4()
    model.leads.append(lead_id)
    details: dict[str, Any] = {
        "lead_id": lead_id,
        "source": SOURCES[variant % len(SOURCES)],
        "first_name": WORDS[variant % len(WORDS)],
        "last_name": WORDS[step.target % len(WORDS)],
        "email": f"lead{number}@example.com" if variant % 2 else None,
        "phone": "+15550001111" if variant % 5 == 0 else None,
        "status": list(LeadStatus)[variant % 3],
    }
    if step.target % 4 == 0:
        return [LeadImported(**details, external_id=f"x{number}", notes="imported",
                             metadata={"tags": WORDS[: variant % 3]})]  # fmt: skip
    if step.target % 4 == 1:
        return [LeadAdopted(**details, last_contacted_at=model.now if variant % 2 else None)]
    return [LeadCaptured(**details, captured_by=model.agent(variant), bedrooms="2")]


@register_step(LeadUpdated)
def update_lead(model: PropertyModel, step: HistoryStep) -> list[Event]:
    lead_id = model.lead(step.target)
    if lead_id is None:
        return []
    changes: list[Mapping[str, Any]] = [
        {"source": SOURCES[step.target % len(SOURCES)]},
        {"email": f"new{next(model.numbers)}@example.com"},
        {"email": None, "phone": None},
        {"first_name": "", "last_name": "Lovelace"},
        {"notes": "wants a balcony", "move_in_date": date(2026, 2, 28), "bedrooms": None},
        {"first_name": None, "has_first_name": True},
    ]
    return [
        LeadUpdated.model_validate({"lead_id": lead_id, **changes[step.variant % len(changes)]})
    ]


@register_step(LeadStatusChanged, LeadContacted, LeadNoted, LeadAssigned)
def change_lead(model: PropertyModel, step: HistoryStep) -> list[Event]:
    lead_id, by = model.lead(step.target), model.agent(step.variant)
    if lead_id is None:
        return []
    channels = list(ContactChannel)
    events: list[Event] = [
        LeadStatusChanged(
            lead_id=lead_id,
            status=list(LeadStatus)[step.variant % 8],
            changed_by=by,
            reason="by phone",
        ),
        LeadContacted(lead_id=lead_id, channel=channels[step.variant % 5], contacted_by=by),
        LeadNoted(lead_id=lead_id, note="rang 'twice' \\ \"thrice\"", noted_by=by),
        LeadAssigned(lead_id=lead_id, assigned_agent_id=model.agent(step.target), assigned_by=by),
    ]
    return [events[step.variant % 4]]


@register_step(LeadMerged, LeadUnmerged)
def merge_leads(model: PropertyModel, step: HistoryStep) -> list[Event]:
    """Merge two leads, or undo a merge."""
    if step.variant % 3 == 0 and model.merged:
        loser_id = list(model.merged)[step.target % len(model.merged)]
        winner_id = model.merged.pop(loser_id)
        return [LeadUnmerged(loser_id=loser_id, winner_id=winner_id, reason="father and son")]
    loser, other = model.lead(step.target), model.lead(step.variant)
    if (
        loser is None
        or other is None
        or loser in model.merged
        or model.surviving_lead(other) == loser
    ):
        return []
    model.merged[loser] = winner = model.surviving_lead(other)
    completion = LeadUpdated(lead_id=winner, last_name="Hopper")
    return [
        LeadMerged(loser_id=loser, winner_id=winner),
        *([completion] if step.variant % 2 else []),
    ]


@register_step(SessionStarted)
def start_session(model: PropertyModel, step: HistoryStep) -> list[Event]:
    """Start a session, or report the start of an existing one again."""
    if step.variant % 4 == 0 and model.sessions:
        session = model.sessions[step.target % len(model.sessions)]
    else:
        lead_id = model.lead(step.target) if step.variant % 3 == 0 else None
        session = Session(uuid4(), lead_id)
        model.sessions.append(session)
    return [SessionStarted(session_id=session.id, visitor_hash=VISITOR, lead_id=session.lead_id)]


@register_step(ConversationStarted)
def start_conversation(model: PropertyModel, step: HistoryStep) -> list[Event]:
    """Start a conversation, or report the start of an existing one again."""
    if step.variant % 5 == 0 and model.conversations:
        conversation = model.conversations[step.target % len(model.conversations)]
    elif step.variant % 3 and model.sessions:
        session = model.sessions[step.target % len(model.sessions)]
        conversation = Conversation(uuid4(), session, session.lead_id)
        session.conversations.append(conversation)
        model.conversations.append(conversation)
    else:
        conversation = Conversation(uuid4(), None, model.lead(step.target))
        model.conversations.append(conversation)
    channel = list(ConversationChannel)[step.variant % 4]
    return [ConversationStarted(**conversation.ids, channel=channel)]


@register_step(ConversationMessageReceived, ConversationReplied, ConversationAnswered)
def add_message(model: PropertyModel, step: HistoryStep) -> list[Event]:
    if not model.conversations:
        return []
    conversation = model.conversations[step.target % len(model.conversations)]
    conversation.messages.append(uuid4())
    content = f"Is 4B free? 🏠 {'x' * step.variant}"
    fields = {**conversation.ids, "message_id": conversation.messages[-1], "content": content}
    events: list[Event] = [
        ConversationMessageReceived(**fields),
        ConversationReplied(**fields, epoch=conversation.epoch),
        ConversationAnswered(**fields, agent_id=model.agents[0]),
    ]
    return [events[step.variant % 3]]


@register_step(ConversationAdopted, ConversationMessageAdopted)
def adopt_conversation(model: PropertyModel, step: HistoryStep) -> list[Event]:
    """Adopt a conversation of the host, new or existing, with a message."""
    if step.variant % 3 == 0 and model.conversations:
        conversation = model.conversations[step.target % len(model.conversations)]
    else:
        conversation = Conversation(uuid4(), None, model.lead(step.target))
        model.conversations.append(conversation)
    return [
        ConversationAdopted(
            **conversation.ids, channel=list(ConversationChannel)[step.variant % 4],
            is_human_mode=step.variant % 2 == 0,
        ),
        ConversationMessageAdopted(
            **conversation.ids, message_id=uuid4(), role=list(MessageRole)[step.variant % 3],
            content="From the host 🏠",
        ),
    ]  # fmt: skip


@register_step(ConversationTakenOver, ConversationReleased, ConversationWaiting)
def take_over(model: PropertyModel, step: HistoryStep) -> list[Event]:
    if not model.conversations:
        return []
    conversation = model.conversations[step.target % len(model.conversations)]
    notice: dict[str, Any] = {}
    if step.variant % 2:
        conversation.messages.append(uuid4())
        notice = {"message_id": conversation.messages[-1], "content": "A person joins"}
    if step.variant % 3 == 0:
        return [ConversationWaiting(**conversation.ids, **notice, reason="bot_failed")]
    conversation.epoch += 1
    if step.variant % 3 == 1:
        by = model.agents[step.variant % len(model.agents)]
        return [
            ConversationTakenOver(
                **conversation.ids, **notice, agent_id=by, epoch=conversation.epoch
            )
        ]
    return [ConversationReleased(**conversation.ids, **notice, epoch=conversation.epoch)]


@register_step(SessionIdentified)
def identify_session(model: PropertyModel, step: HistoryStep) -> list[Event]:
    unknown = [session for session in model.sessions if session.lead_id is None]
    lead_id = model.lead(step.variant)
    if not unknown or lead_id is None:
        return []
    session = unknown[step.target % len(unknown)]
    session.lead_id = lead_id
    for conversation in session.conversations:
        conversation.lead_id = lead_id
    ids = tuple(conversation.id for conversation in session.conversations)
    return [SessionIdentified(session_id=session.id, lead_id=lead_id, conversation_ids=ids)]


@register_step(EngagementRecorded, ActivityRecorded, ScoreDue)
def add_engagement(model: PropertyModel, step: HistoryStep) -> list[Event]:
    lead_id = model.lead(step.target)
    if lead_id is None:
        return []
    if step.variant % 4 == 0:
        return [ScoreDue(lead_id=lead_id, due_at=model.now - timedelta(days=step.variant))]
    if step.variant % 4 == 1:
        kind = sorted(REPORTED_ACTIVITIES)[step.variant % len(REPORTED_ACTIVITIES)]
        by = model.agent(step.target)
        return [ActivityRecorded(activity_id=uuid4(), lead_id=lead_id, type=kind, created_by=by)]
    engagement = list(EngagementType)[step.variant % len(EngagementType)]
    return [
        EngagementRecorded(
            engagement_id=uuid4(), lead_id=lead_id, event_type=engagement,
            score_weight=ENGAGEMENT_WEIGHTS[engagement] - step.variant,
            metadata={"link": ['"', "é", None], "numbers": [1e20, -0.5]},
        )
    ]  # fmt: skip


@register_step(RetentionApplied)
def apply_retention(model: PropertyModel, step: HistoryStep) -> list[Event]:
    """Apply retention to consents, to a session with its conversations, or to engagements."""
    fields: dict[str, Any] = {"property_id": model.id, "cutoff": model.now}
    if step.variant % 5 == 4 and model.consents:
        old, model.consents = model.consents[:2], model.consents[2:]
        return [RetentionApplied(**fields, kind=Retained.CONSENT_EVIDENCE, consent_ids=tuple(old))]
    anonymous = [session for session in model.sessions if session.lead_id is None]
    if step.variant % 2 and anonymous:
        session = anonymous[step.target % len(anonymous)]
        conversations = [
            conversation for conversation in session.conversations if conversation.lead_id is None
        ]
        messages = tuple(
            message for conversation in conversations for message in conversation.messages
        )
        for conversation in conversations:
            conversation.messages.clear()
        return [
            RetentionApplied(
                **fields, kind=Retained.SESSIONS, session_ids=(session.id,),
                conversation_ids=tuple(conversation.id for conversation in conversations),
                message_ids=messages,
            )
        ]  # fmt: skip
    expired, model.engagements = model.engagements[:3], model.engagements[3:]
    expired += [tour.id for tour in model.tours[: step.variant % 3]]
    return [RetentionApplied(**fields, kind=Retained.ENGAGEMENT, engagement_ids=tuple(expired))]


HOURS = {"monday": {"start": "09:00", "end": "18:00"}, "sunday": None}


@register_step(WidgetConfigured, WidgetKeyIssued, WidgetKeyRevoked)
def configure_widget(model: PropertyModel, step: HistoryStep) -> list[Event]:
    own: dict[str, Any] = {"property_id": model.id}
    if step.variant % 3 == 0:
        changes: list[dict[str, Any]] = [
            {"allowed_origins": ("https://a.example",), "brand_color": "#0F766E"},
            {"allowed_origins": None, "widget_name": None, "holidays": None},
            {},
            {"holidays": (date(2026, 12, 25),), "business_hours": HOURS, "logo_url": WORDS[3]},
            {"business_hours": None, "tour_capacity": step.variant + 1, "collect_phone": None},
            {"widget_name": WORDS[step.variant % len(WORDS)], "tour_blackout_dates": ()},
        ]
        settings = {
            **own,
            "is_active": step.variant % 2 == 0,
            **changes[step.target % len(changes)],
        }
        return [WidgetConfigured.model_validate(settings)]
    if step.variant % 3 == 1 or not model.keys:
        model.keys.append(uuid4())
        until = model.now if step.target % 2 else None
        return [
            WidgetKeyIssued(
                **own,
                key_id=model.keys[-1],
                key_hash=model.keys[-1].hex,
                previous_valid_until=until,
            )
        ]
    return [WidgetKeyRevoked(**own, key_id=model.keys[-1 - step.target % len(model.keys)])]


register_step(*tours.EVENTS)(tours.book_tour)
register_step(*tours.EVENTS)(tours.continue_tour)
register_step(*workflows.DEFINITION_EVENTS)(workflows.write_workflow)
register_step(*workflows.DEFINITION_EVENTS)(workflows.write_template)
register_step(*workflows.RUN_EVENTS)(workflows.enrol_lead)
register_step(*workflows.RUN_EVENTS, *workflows.DELIVERY_EVENTS)(workflows.continue_run)
register_step(*workflows.DELIVERY_EVENTS)(workflows.send_message)
register_step(*tasks.TASK_EVENTS)(tasks.write_task)
register_step(*erasures.EVENTS)(erasures.erase_lead)
register_step(*slots.EVENTS)(slots.open_slot)
register_step(*slots.EVENTS)(slots.use_slot)


def _sample_step(kind: type[Event]) -> StepFunction:
    def sampled(model: PropertyModel, step: HistoryStep) -> list[Event]:
        return event_of_sample(kind, model, step)

    return sampled


# An event class without a step, a new one too, is made from its frozen sample.
STEPS |= {kind.name: _sample_step(kind) for kind in catalog.EVENTS
          if kind not in WRITTEN_STEPS and not kind.name.endswith(".recorded")
          and kind.name != "parked.dropped"}  # fmt: skip
