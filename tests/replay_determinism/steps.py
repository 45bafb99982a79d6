"""What can happen in a house: each step makes the facts that a real one would leave."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from typing import Any, TypeAlias
from uuid import uuid4

from events import catalog
from events.chat import (
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
    SessionIdentified,
    SessionStarted,
)
from events.engagements import (
    ENGAGEMENT_WEIGHTS,
    REPORTED_ACTIVITIES,
    ActivityRecorded,
    EngagementRecorded,
    EngagementType,
    ScoreDue,
)
from events.event import Event
from events.leads import (
    ContactChannel,
    LeadAdopted,
    LeadCaptured,
    LeadContacted,
    LeadImported,
    LeadMerged,
    LeadNoted,
    LeadStatus,
    LeadStatusChanged,
    LeadUnmerged,
    LeadUpdated,
)
from events.operations import Retained, RetentionApplied
from events.widgets import WidgetConfigured, WidgetKeyIssued, WidgetKeyRevoked
from tests.replay_determinism import slots, tours, workflows
from tests.replay_determinism.property import (
    SOURCES,
    WORDS,
    Conversation,
    HostProperty,
    Session,
    Step,
)
from tests.replay_determinism.samples import by_sample

Making: TypeAlias = Callable[[HostProperty, Step], Iterable[Event]]
STEPS: dict[str, Making] = {}
BY_HAND: set[type[Event]] = set()


def step(*kinds: type[Event]) -> Callable[[Making], Making]:
    """Register a step and the kinds of event it may leave."""

    def register(making: Making) -> Making:
        STEPS[making.__name__] = making
        BY_HAND.update(kinds)
        return making

    return register


@step(LeadCaptured, LeadImported, LeadAdopted)
def arrive(host_property: HostProperty, said: Step) -> list[Event]:
    how, number = said.how, next(host_property.numbers)
    lead_id = uuid4()
    host_property.leads.append(lead_id)
    details: dict[str, Any] = {
        "lead_id": lead_id,
        "source": SOURCES[how % len(SOURCES)],
        "first_name": WORDS[how % len(WORDS)],
        "last_name": WORDS[said.whom % len(WORDS)],
        "email": f"lead{number}@example.com" if how % 2 else None,
        "phone": "+15550001111" if how % 5 == 0 else None,
        "status": list(LeadStatus)[how % 3],
    }
    if said.whom % 4 == 0:
        return [LeadImported(**details, external_id=f"x{number}", notes="from afar")]
    if said.whom % 4 == 1:
        return [LeadAdopted(**details, last_contacted_at=host_property.now if how % 2 else None)]
    return [LeadCaptured(**details, captured_by=host_property.agent(how), bedrooms="2")]


@step(LeadUpdated)
def update(host_property: HostProperty, said: Step) -> list[Event]:
    lead_id = host_property.lead(said.whom)
    if lead_id is None:
        return []
    changes: list[Mapping[str, Any]] = [
        {"source": SOURCES[said.whom % len(SOURCES)]},
        {"email": f"new{next(host_property.numbers)}@example.com"},
        {"email": None, "phone": None},
        {"first_name": "", "last_name": "Lovelace"},
        {"notes": "wants a balcony", "move_in_date": date(2026, 2, 28), "bedrooms": None},
        {"first_name": None, "has_first_name": True},
    ]
    return [LeadUpdated.model_validate({"lead_id": lead_id, **changes[said.how % len(changes)]})]


@step(LeadStatusChanged, LeadContacted, LeadNoted)
def move(host_property: HostProperty, said: Step) -> list[Event]:
    lead_id, by = host_property.lead(said.whom), host_property.agent(said.how)
    if lead_id is None:
        return []
    channels = list(ContactChannel)
    made: list[Event] = [
        LeadStatusChanged(
            lead_id=lead_id, status=list(LeadStatus)[said.how % 8], changed_by=by, reason="said so"
        ),
        LeadContacted(lead_id=lead_id, channel=channels[said.how % 5], contacted_by=by),
        LeadNoted(lead_id=lead_id, note="rang 'twice' \\ \"thrice\"", noted_by=by),
    ]
    return [made[said.how % 3]]


@step(LeadMerged, LeadUnmerged)
def merge(host_property: HostProperty, said: Step) -> list[Event]:
    """Two leads turn out to be one person; every third time it was a mistake."""
    if said.how % 3 == 0 and host_property.merged:
        loser_id = list(host_property.merged)[said.whom % len(host_property.merged)]
        winner_id = host_property.merged.pop(loser_id)
        return [LeadUnmerged(loser_id=loser_id, winner_id=winner_id, reason="father and son")]
    loser, other = host_property.lead(said.whom), host_property.lead(said.how)
    if (
        loser is None
        or other is None
        or loser in host_property.merged
        or host_property.known_as(other) == loser
    ):
        return []
    host_property.merged[loser] = winner = host_property.known_as(other)
    filled = LeadUpdated(lead_id=winner, last_name="Hopper")
    return [LeadMerged(loser_id=loser, winner_id=winner), *([filled] if said.how % 2 else [])]


@step(SessionStarted)
def visit(host_property: HostProperty, said: Step) -> list[Event]:
    """A visitor opens the widget; every fourth start is reported twice."""
    if said.how % 4 == 0 and host_property.sessions:
        session = host_property.sessions[said.whom % len(host_property.sessions)]
    else:
        lead_id = host_property.lead(said.whom) if said.how % 3 == 0 else None
        session = Session(uuid4(), lead_id)
        host_property.sessions.append(session)
    return [SessionStarted(session_id=session.id, visitor_id="v_1", lead_id=session.lead_id)]


@step(ConversationStarted)
def converse(host_property: HostProperty, said: Step) -> list[Event]:
    """A conversation begins in a session, or by mail; every fifth start is reported twice."""
    if said.how % 5 == 0 and host_property.conversations:
        talk = host_property.conversations[said.whom % len(host_property.conversations)]
    elif said.how % 3 and host_property.sessions:
        session = host_property.sessions[said.whom % len(host_property.sessions)]
        talk = Conversation(uuid4(), session, session.lead_id)
        session.conversations.append(talk)
        host_property.conversations.append(talk)
    else:
        talk = Conversation(uuid4(), None, host_property.lead(said.whom))
        host_property.conversations.append(talk)
    channel = list(ConversationChannel)[said.how % 4]
    return [ConversationStarted(**talk.ids, channel=channel)]


@step(ConversationMessageReceived, ConversationReplied, ConversationAnswered)
def talk(host_property: HostProperty, said: Step) -> list[Event]:
    if not host_property.conversations:
        return []
    talk = host_property.conversations[said.whom % len(host_property.conversations)]
    talk.messages.append(uuid4())
    content = f"Is 4B free? 🏠 {'x' * said.how}"
    what = {**talk.ids, "message_id": talk.messages[-1], "content": content}
    made: list[Event] = [
        ConversationMessageReceived(**what),
        ConversationReplied(**what, epoch=talk.epoch),
        ConversationAnswered(**what, agent_id=host_property.agents[0]),
    ]
    return [made[said.how % 3]]


@step(ConversationAdopted, ConversationMessageAdopted)
def take_in(host_property: HostProperty, said: Step) -> list[Event]:
    """A conversation of the host with its first message; every third is one that is known."""
    if said.how % 3 == 0 and host_property.conversations:
        talk = host_property.conversations[said.whom % len(host_property.conversations)]
    else:
        talk = Conversation(uuid4(), None, host_property.lead(said.whom))
        host_property.conversations.append(talk)
    return [
        ConversationAdopted(
            **talk.ids, channel=list(ConversationChannel)[said.how % 4],
            is_human_mode=said.how % 2 == 0,
        ),
        ConversationMessageAdopted(
            **talk.ids, message_id=uuid4(), role=list(MessageRole)[said.how % 3],
            content="From before 🏠",
        ),
    ]  # fmt: skip


@step(ConversationTakenOver, ConversationReleased, ConversationWaiting)
def hand_over(host_property: HostProperty, said: Step) -> list[Event]:
    if not host_property.conversations:
        return []
    talk = host_property.conversations[said.whom % len(host_property.conversations)]
    told: dict[str, Any] = {}
    if said.how % 2:
        talk.messages.append(uuid4())
        told = {"message_id": talk.messages[-1], "content": "A person joins"}
    if said.how % 3 == 0:
        return [ConversationWaiting(**talk.ids, **told, reason="bot_failed")]
    talk.epoch += 1
    if said.how % 3 == 1:
        by = host_property.agents[said.how % len(host_property.agents)]
        return [ConversationTakenOver(**talk.ids, **told, agent_id=by, epoch=talk.epoch)]
    return [ConversationReleased(**talk.ids, **told, epoch=talk.epoch)]


@step(SessionIdentified)
def identify(host_property: HostProperty, said: Step) -> list[Event]:
    unknown = [session for session in host_property.sessions if session.lead_id is None]
    lead_id = host_property.lead(said.how)
    if not unknown or lead_id is None:
        return []
    session = unknown[said.whom % len(unknown)]
    session.lead_id = lead_id
    for talk in session.conversations:
        talk.lead_id = lead_id
    ids = tuple(talk.id for talk in session.conversations)
    return [SessionIdentified(session_id=session.id, lead_id=lead_id, conversation_ids=ids)]


@step(EngagementRecorded, ActivityRecorded, ScoreDue)
def engage(host_property: HostProperty, said: Step) -> list[Event]:
    lead_id = host_property.lead(said.whom)
    if lead_id is None:
        return []
    if said.how % 4 == 0:
        return [ScoreDue(lead_id=lead_id, due_at=host_property.now - timedelta(days=said.how))]
    if said.how % 4 == 1:
        kind = sorted(REPORTED_ACTIVITIES)[said.how % len(REPORTED_ACTIVITIES)]
        by = host_property.agent(said.whom)
        return [ActivityRecorded(activity_id=uuid4(), lead_id=lead_id, type=kind, created_by=by)]
    known = list(EngagementType)[said.how % len(EngagementType)]
    return [
        EngagementRecorded(
            engagement_id=uuid4(), lead_id=lead_id, event_type=known,
            score_weight=ENGAGEMENT_WEIGHTS[known] - said.how,
            metadata={"link": ['"', "é", None], "far": [1e20, -0.5]},
        )
    ]  # fmt: skip


@step(RetentionApplied)
def retain(host_property: HostProperty, said: Step) -> list[Event]:
    """A visitor's session goes, who may come back; or engagement, a tour's too; or consents."""
    what: dict[str, Any] = {"property_id": host_property.id, "cutoff": host_property.now}
    if said.how % 5 == 4 and host_property.consents:
        old, host_property.consents = host_property.consents[:2], host_property.consents[2:]
        return [RetentionApplied(**what, kind=Retained.CONSENT_EVIDENCE, consent_ids=tuple(old))]
    strangers = [session for session in host_property.sessions if session.lead_id is None]
    if said.how % 2 and strangers:
        session = strangers[said.whom % len(strangers)]
        talks = [talk for talk in session.conversations if talk.lead_id is None]
        messages = tuple(message for talk in talks for message in talk.messages)
        for talk in talks:
            talk.messages.clear()
        return [
            RetentionApplied(
                **what, kind=Retained.SESSIONS, session_ids=(session.id,),
                conversation_ids=tuple(talk.id for talk in talks), message_ids=messages,
            )
        ]  # fmt: skip
    gone, host_property.engagements = host_property.engagements[:3], host_property.engagements[3:]
    gone += [tour.id for tour in host_property.tours[: said.how % 3]]
    return [RetentionApplied(**what, kind=Retained.ENGAGEMENT, engagement_ids=tuple(gone))]


HOURS = {"monday": {"start": "09:00", "end": "18:00"}, "sunday": None}


@step(WidgetConfigured, WidgetKeyIssued, WidgetKeyRevoked)
def widget(host_property: HostProperty, said: Step) -> list[Event]:
    own: dict[str, Any] = {"property_id": host_property.id}
    if said.how % 3 == 0:
        changes: list[dict[str, Any]] = [
            {"allowed_origins": ("https://a.example",), "brand_color": "#0F766E"},
            {"allowed_origins": None, "widget_name": None, "holidays": None},
            {},
            {"holidays": (date(2026, 12, 25),), "business_hours": HOURS, "logo_url": WORDS[3]},
            {"business_hours": None, "tour_capacity": said.how + 1, "collect_phone": None},
            {"widget_name": WORDS[said.how % len(WORDS)], "tour_blackout_dates": ()},
        ]
        asked = {**own, "is_active": said.how % 2 == 0, **changes[said.whom % len(changes)]}
        return [WidgetConfigured.model_validate(asked)]
    if said.how % 3 == 1 or not host_property.keys:
        host_property.keys.append(uuid4())
        until = host_property.now if said.whom % 2 else None
        return [
            WidgetKeyIssued(
                **own,
                key_id=host_property.keys[-1],
                key_hash=host_property.keys[-1].hex,
                previous_valid_until=until,
            )
        ]
    return [
        WidgetKeyRevoked(**own, key_id=host_property.keys[-1 - said.whom % len(host_property.keys)])
    ]


step(*tours.KINDS)(tours.book)
step(*tours.KINDS)(tours.go_on)
step(*workflows.WRITTEN)(workflows.write_workflow)
step(*workflows.WRITTEN)(workflows.write_template)
step(*workflows.RUN)(workflows.enrol)
step(*workflows.RUN, *workflows.SENT)(workflows.run_on)
step(*workflows.SENT)(workflows.send)
step(*slots.KINDS)(slots.open_slot)
step(*slots.KINDS)(slots.use_slot)


def _every_other(kind: type[Event]) -> Making:
    def sampled(host_property: HostProperty, said: Step) -> list[Event]:
        return by_sample(kind, host_property, said)

    return sampled


# What has no step of its own, a new event too, is told by its frozen sample.
STEPS |= {kind.name: _every_other(kind) for kind in catalog.EVENTS
          if kind not in BY_HAND and not kind.name.endswith(".recorded")
          and kind.name != "parked.dropped"}  # fmt: skip
