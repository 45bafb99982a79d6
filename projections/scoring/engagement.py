"""Which engagement a domain event is: a chat, a tour, a captured lead, or one reported as such."""

from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

from events.chat import (
    ConversationMessageReceived,
    ConversationStarted,
    SessionIdentified,
    chat_begun,
)
from events.engagements import ENGAGEMENT_WEIGHTS, EngagementRecorded, EngagementType
from events.leads import LeadCaptured
from events.record import RecordedEvent
from events.tours import TourCompleted, TourNoShowRecorded, TourScheduled


class Engagement(NamedTuple):
    """A row of `lead_engagement_events` to be. A no-show is named by its tour."""

    id: UUID
    lead_id: UUID
    event_type: str
    score_weight: int
    metadata: dict[str, Any]


def engagements_of(recorded: RecordedEvent) -> list[Engagement]:
    """The engagement a fact is, of a known lead; a captured lead counts when nobody typed it in."""
    global _last
    if _last[0] is not recorded:  # two projections ask one after the other
        found = _FOUND_IN.get(type(recorded.event))
        _last = (recorded, [] if found is None else found(recorded.id, recorded.event))
    return _last[1]


_last: tuple[RecordedEvent | None, list[Engagement]] = (None, [])


def _recorded(event_id: UUID, event: EngagementRecorded) -> list[Engagement]:
    return [
        Engagement(event_id, event.lead_id, event.event_type, event.score_weight, event.metadata)
    ]


def _in_chat(
    event_id: UUID, event: ConversationMessageReceived | ConversationStarted
) -> list[Engagement]:
    if event.lead_id is None:
        return []
    spoke = type(event) is ConversationMessageReceived
    kind = EngagementType.CHAT_MESSAGE_SENT if spoke else EngagementType.CHAT_STARTED
    said = {"conversation_id": str(event.conversation_id)}
    return [_weighed(event_id, event.lead_id, kind, said)]


def _identified(event_id: UUID, event: SessionIdentified) -> list[Engagement]:
    return [
        _weighed(
            chat_begun(event_id, conversation),
            event.lead_id,
            EngagementType.CHAT_STARTED,
            {"conversation_id": str(conversation)},
        )
        for conversation in event.conversation_ids
    ]


def _captured(event_id: UUID, event: LeadCaptured) -> list[Engagement]:
    if event.captured_by is not None:
        return []
    return [_weighed(event_id, event.lead_id, EngagementType.WEBSITE_LEAD_SUBMITTED, {})]


def _toured(event_id: UUID, event: TourScheduled | TourCompleted) -> list[Engagement]:
    booked = type(event) is TourScheduled
    kind = EngagementType.TOUR_SCHEDULED if booked else EngagementType.TOUR_COMPLETED
    return [_weighed(event_id, event.lead_id, kind, {"tour_id": str(event.tour_id)})]


def _missed(_event_id: UUID, event: TourNoShowRecorded) -> list[Engagement]:
    said = {"tour_id": str(event.tour_id)}
    return [_weighed(event.no_show_id, event.lead_id, EngagementType.TOUR_NO_SHOW, said)]


def _weighed(
    row_id: UUID, lead_id: UUID, kind: EngagementType, metadata: dict[str, Any]
) -> Engagement:
    return Engagement(row_id, lead_id, kind, ENGAGEMENT_WEIGHTS[kind], metadata)


_FOUND_IN: dict[type, Callable[[UUID, Any], list[Engagement]]] = {
    ConversationMessageReceived: _in_chat,
    ConversationStarted: _in_chat,
    EngagementRecorded: _recorded,
    LeadCaptured: _captured,
    SessionIdentified: _identified,
    TourCompleted: _toured,
    TourNoShowRecorded: _missed,
    TourScheduled: _toured,
}
ENGAGING = tuple(_FOUND_IN)
"""The kinds of event `engagements_of` finds something in."""
