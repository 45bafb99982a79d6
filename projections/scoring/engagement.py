"""Engagements of domain events: chats, tours, captured leads, and reported engagements."""

from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

from events.conversations import (
    ConversationChannel,
    ConversationMessageReceived,
    ConversationStarted,
)
from events.engagements import ENGAGEMENT_WEIGHTS, EngagementRecorded, EngagementType
from events.leads import LeadCaptured
from events.record import RecordedEvent
from events.sessions import SessionIdentified, chat_start_id
from events.tours import TourCompleted, TourNoShowRecorded, TourScheduled


class Engagement(NamedTuple):
    """A future row of `lead_engagement_events`. The id of a no-show is derived from its tour."""

    id: UUID
    lead_id: UUID
    event_type: str
    score_weight: int
    metadata: dict[str, Any]


def engagements_of(recorded: RecordedEvent) -> list[Engagement]:
    """Return the engagements of an event.

    An event without a lead has none. A captured lead is an engagement unless a console user
    entered it.
    """
    global _last_result
    if _last_result[0] is not recorded:  # two projections call this for the same event
        function = _FUNCTIONS.get(type(recorded.event))
        engagements = [] if function is None else function(recorded.id, recorded.event)
        _last_result = (recorded, engagements)
    return _last_result[1]


_last_result: tuple[RecordedEvent | None, list[Engagement]] = (None, [])


def _reported(event_id: UUID, event: EngagementRecorded) -> list[Engagement]:
    return [
        Engagement(event_id, event.lead_id, event.event_type, event.score_weight, event.metadata)
    ]


def _chat(
    event_id: UUID, event: ConversationMessageReceived | ConversationStarted
) -> list[Engagement]:
    if event.lead_id is None:
        return []
    if event.channel not in CHAT_CHANNELS:  # a reply by SMS is an engagement of its own kind
        return []
    is_message = type(event) is ConversationMessageReceived
    kind = EngagementType.CHAT_MESSAGE_SENT if is_message else EngagementType.CHAT_STARTED
    metadata = {"conversation_id": str(event.conversation_id)}
    return [_with_default_weight(event_id, event.lead_id, kind, metadata)]


def _earlier_chats(event_id: UUID, event: SessionIdentified) -> list[Engagement]:
    return [
        _with_default_weight(
            chat_start_id(event_id, conversation_id),
            event.lead_id,
            EngagementType.CHAT_STARTED,
            {"conversation_id": str(conversation_id)},
        )
        for conversation_id in event.conversation_ids
    ]


def _captured_lead(event_id: UUID, event: LeadCaptured) -> list[Engagement]:
    if event.captured_by is not None:
        return []
    return [
        _with_default_weight(event_id, event.lead_id, EngagementType.WEBSITE_LEAD_SUBMITTED, {})
    ]


def _tour(event_id: UUID, event: TourScheduled | TourCompleted) -> list[Engagement]:
    is_booking = type(event) is TourScheduled
    kind = EngagementType.TOUR_SCHEDULED if is_booking else EngagementType.TOUR_COMPLETED
    return [_with_default_weight(event_id, event.lead_id, kind, {"tour_id": str(event.tour_id)})]


def _no_show(_event_id: UUID, event: TourNoShowRecorded) -> list[Engagement]:
    metadata = {"tour_id": str(event.tour_id)}
    return [
        _with_default_weight(event.no_show_id, event.lead_id, EngagementType.TOUR_NO_SHOW, metadata)
    ]


def _with_default_weight(
    row_id: UUID, lead_id: UUID, kind: EngagementType, metadata: dict[str, Any]
) -> Engagement:
    return Engagement(row_id, lead_id, kind, ENGAGEMENT_WEIGHTS[kind], metadata)


CHAT_CHANNELS = (None, ConversationChannel.WIDGET, ConversationChannel.CHAT)
_FUNCTIONS: dict[type, Callable[[UUID, Any], list[Engagement]]] = {
    ConversationMessageReceived: _chat,
    ConversationStarted: _chat,
    EngagementRecorded: _reported,
    LeadCaptured: _captured_lead,
    SessionIdentified: _earlier_chats,
    TourCompleted: _tour,
    TourNoShowRecorded: _no_show,
    TourScheduled: _tour,
}
ENGAGING = tuple(_FUNCTIONS)
"""The event classes that can be an engagement."""
