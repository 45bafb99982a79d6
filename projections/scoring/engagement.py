"""Which engagement a domain event is: a chat, a tour, a captured lead, or one reported as such."""

from typing import Any, NamedTuple
from uuid import UUID, uuid5

from events.chat import ConversationMessageReceived, ConversationStarted, SessionIdentified
from events.engagement import ENGAGEMENT_WEIGHTS, EngagementRecorded, EngagementType
from events.leads import LeadCaptured
from events.record import Recorded
from events.tours import TourCompleted, TourNoShowRecorded, TourScheduled

ENGAGING = (
    ConversationMessageReceived,
    ConversationStarted,
    EngagementRecorded,
    LeadCaptured,
    SessionIdentified,
    TourCompleted,
    TourNoShowRecorded,
    TourScheduled,
)
"""The kinds of event `engagements_of` finds something in."""


class Engagement(NamedTuple):
    """A row of `lead_engagement_events` to be. A no-show has its tour's id, to be corrected by."""

    id: UUID
    lead_id: UUID
    event_type: str
    score_weight: int
    metadata: dict[str, Any]


def engagements_of(fact: Recorded) -> list[Engagement]:
    """The engagement a fact is, of a known lead; a captured lead counts when nobody typed it in."""
    event = fact.event
    match event:
        case EngagementRecorded():
            return [
                Engagement(
                    fact.id, event.lead_id, event.event_type, event.score_weight, event.metadata
                )
            ]
        case ConversationMessageReceived(lead_id=UUID() as lead_id):
            said = {"conversation_id": str(event.conversation_id)}
            return [_weighed(fact.id, lead_id, EngagementType.CHAT_MESSAGE_SENT, said)]
        case ConversationStarted(lead_id=UUID() as lead_id):
            said = {"conversation_id": str(event.conversation_id)}
            return [_weighed(fact.id, lead_id, EngagementType.CHAT_STARTED, said)]
        case SessionIdentified():
            return [
                _weighed(
                    uuid5(fact.id, str(conversation)),
                    event.lead_id,
                    EngagementType.CHAT_STARTED,
                    {"conversation_id": str(conversation)},
                )
                for conversation in event.conversation_ids
            ]
        case LeadCaptured(captured_by=None):
            return [_weighed(fact.id, event.lead_id, EngagementType.WEBSITE_LEAD_SUBMITTED, {})]
        case TourScheduled():
            return [_of_tour(fact.id, event, EngagementType.TOUR_SCHEDULED)]
        case TourCompleted():
            return [_of_tour(fact.id, event, EngagementType.TOUR_COMPLETED)]
        case TourNoShowRecorded():
            return [_of_tour(event.tour_id, event, EngagementType.TOUR_NO_SHOW)]
        case _:
            return []


def _of_tour(
    row_id: UUID, event: TourScheduled | TourCompleted | TourNoShowRecorded, kind: EngagementType
) -> Engagement:
    return _weighed(row_id, event.lead_id, kind, {"tour_id": str(event.tour_id)})


def _weighed(
    row_id: UUID, lead_id: UUID, kind: EngagementType, metadata: dict[str, Any]
) -> Engagement:
    return Engagement(row_id, lead_id, kind, ENGAGEMENT_WEIGHTS[kind], metadata)
