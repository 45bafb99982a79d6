"""Decided intake: the command of an event that a producer sent."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from events.consents import ConsentGiven, ConsentWithdrawn
from events.conversations import (
    ConversationAnswered,
    ConversationReleased,
    ConversationReplied,
    ConversationTakenOver,
    ConversationWaiting,
)
from events.event import Event
from events.leads import LeadAssigned, LeadCaptured, LeadNoted, LeadStatusChanged, LeadUpdated
from events.sessions import SessionIdentified
from events.tours import (
    TourAmended,
    TourCancelled,
    TourCompleted,
    TourConfirmed,
    TourNoShowCorrected,
    TourNoShowRecorded,
    TourRescheduled,
    TourScheduled,
    TourStatus,
)
from services.deciders import (
    consents,
    contacts,
    conversations,
    leads,
    names,
    sessions,
    tour_bookings,
    tour_outcomes,
)
from services.deciders.decider import Refused
from services.deciders.local_time import When

OTHER_DETAILS = "A producer reported this person as a new lead, with other details:"


@dataclass(frozen=True, slots=True)
class DecisionContext:
    """The values, besides the streams, that the decision about a producer's event needs.

    `at` is the time of the event, `time_zone` that of the property, `contact_owner` the lead that
    has the e-mail address of the event.
    """

    at: datetime
    time_zone: str | None = None
    contact_owner: UUID | None = None


def command_for(event: Event, context: DecisionContext) -> object:
    """Return the command that must decide this event. Raises `Refused` if there is none."""
    build = COMMAND_OF.get(type(event))
    if build is None:
        raise Refused("not_for_producers", f"{event.name} is written by the core only", 400)
    return build(event, context)


def _capture_lead(event: LeadCaptured, context: DecisionContext) -> object:
    """Return the command that creates the lead, or completes the lead that has its e-mail."""
    details = leads.Details(**{name: getattr(event, name) for name in leads.DETAILS})
    return leads.CaptureLead(
        event.lead_id, leads.Details(**details.non_empty), context.contact_owner, event.session_id,
        event.captured_by, fills_only=True, others_title=OTHER_DETAILS,
    )  # fmt: skip


def normalize_details(event: Event, country: str) -> Event:
    """Return the event with its names, e-mail and phone as they are stored.

    Raises `Refused` for a value that is no name, e-mail address or phone number.
    """
    changes = {
        name: names.normalize_name(value)
        for name in names.NAME_FIELDS
        if (value := getattr(event, name, None))
    }
    if email := contacts.normalize_email(getattr(event, "email", None)):
        changes["email"] = email
    if phone := contacts.normalize_phone(getattr(event, "phone", None), country):
        changes["phone"] = phone
    return event.model_copy(update=changes) if changes else event


def _update_lead(event: LeadUpdated, context: DecisionContext) -> object:
    changes = {name: value for name, value in event.changes.items() if name in leads.DETAILS}
    owner = context.contact_owner if changes.get("email") else None
    return leads.UpdateLead(event.lead_id, changes, event.updated_by, owner)


def _change_lead_status(event: LeadStatusChanged, _context: DecisionContext) -> object:
    return leads.ChangeStatus(event.lead_id, event.status, event.reason, event.changed_by)


def _assign_lead(event: LeadAssigned, _context: DecisionContext) -> object:
    return leads.AssignLead(event.lead_id, event.assigned_agent_id, event.assigned_by)


def _note_lead(event: LeadNoted, _context: DecisionContext) -> object:
    return leads.NoteLead(event.lead_id, event.note, event.noted_by)


def _when(event: TourScheduled | TourRescheduled, context: DecisionContext) -> When:
    return When(
        event.tour_date, event.tour_time, context.time_zone or event.time_zone, event.fold,
        event.duration_minutes,
    )  # fmt: skip


def _schedule_tour(event: TourScheduled, context: DecisionContext) -> object:
    return tour_bookings.ScheduleTour(
        event.tour_id, event.lead_id, at=context.at, when=_when(event, context),
        source=event.source, tour_type=event.tour_type, notes=event.notes,
        assigned_agent_id=event.assigned_agent_id, created_by=event.created_by,
        slot_id=event.slot_id, send_confirmation=event.send_confirmation,
    )  # fmt: skip


def _reschedule_tour(event: TourRescheduled, context: DecisionContext) -> object:
    return tour_bookings.RescheduleTour(
        event.tour_id, event.lead_id, at=context.at, when=_when(event, context),
        reason=event.reason, rescheduled_by=event.rescheduled_by, slot_id=event.slot_id,
        send_notification=event.send_notification,
    )  # fmt: skip


def _amend_tour(event: TourAmended, _context: DecisionContext) -> object:
    return tour_bookings.AmendTour(event.tour_id, event.lead_id, event.changes, event.amended_by)


def _confirm_tour(event: TourConfirmed, _context: DecisionContext) -> object:
    return tour_outcomes.ConfirmTour(
        event.tour_id, event.lead_id, event.confirmed_by, event.send_notification
    )


def _complete_tour(event: TourCompleted, context: DecisionContext) -> object:
    return tour_outcomes.CompleteTour(
        event.tour_id, event.lead_id, event.completed_by, at=context.at
    )


def _cancel_tour(event: TourCancelled, _context: DecisionContext) -> object:
    return tour_outcomes.CancelTour(
        event.tour_id, event.lead_id, event.reason, event.cancelled_by, event.send_notification
    )


def _record_no_show(event: TourNoShowRecorded, context: DecisionContext) -> object:
    return tour_outcomes.RecordNoShow(
        event.tour_id, event.lead_id, event.recorded_by, at=context.at
    )


def _correct_no_show(event: TourNoShowCorrected, _context: DecisionContext) -> object:
    return tour_outcomes.CorrectNoShow(
        event.tour_id, event.lead_id, TourStatus(event.status), event.reason, event.corrected_by
    )


def _identify_session(event: SessionIdentified, _context: DecisionContext) -> object:
    return sessions.IdentifySession(
        event.session_id, event.lead_id, event.conversation_ids, strict=True
    )


def _post_bot_reply(event: ConversationReplied, _context: DecisionContext) -> object:
    return conversations.PostBotReply(
        event.conversation_id, event.message_id, event.content, event.epoch, event.in_reply_to
    )


def _post_agent_answer(event: ConversationAnswered, _context: DecisionContext) -> object:
    return conversations.PostAgentAnswer(
        event.conversation_id, event.message_id, event.content, event.agent_id, event.epoch
    )


def _wait_for_agent(event: ConversationWaiting, _context: DecisionContext) -> object:
    return conversations.WaitForAgent(
        event.conversation_id, event.reason, event.message_id, event.content
    )


def _take_over(event: ConversationTakenOver, _context: DecisionContext) -> object:
    return conversations.TakeOverConversation(
        event.conversation_id, event.agent_id, event.message_id, event.content
    )


def _release(event: ConversationReleased, _context: DecisionContext) -> object:
    return conversations.ReleaseConversation(
        event.conversation_id, event.released_by, event.message_id, event.content
    )


def _record_consent(event: ConsentGiven | ConsentWithdrawn, _context: DecisionContext) -> object:
    return consents.RecordConsent(
        event.lead_id, event.channel, isinstance(event, ConsentGiven), event.place, event.at,
        event.text, getattr(event, "keyword", None), event.recorded_by, event.source,
    )  # fmt: skip


COMMAND_OF: dict[type[Event], Callable[..., object]] = {
    LeadCaptured: _capture_lead,
    LeadUpdated: _update_lead,
    LeadStatusChanged: _change_lead_status,
    LeadAssigned: _assign_lead,
    LeadNoted: _note_lead,
    TourScheduled: _schedule_tour,
    TourRescheduled: _reschedule_tour,
    TourAmended: _amend_tour,
    TourConfirmed: _confirm_tour,
    TourCompleted: _complete_tour,
    TourCancelled: _cancel_tour,
    TourNoShowRecorded: _record_no_show,
    TourNoShowCorrected: _correct_no_show,
    SessionIdentified: _identify_session,
    ConversationReplied: _post_bot_reply,
    ConversationAnswered: _post_agent_answer,
    ConversationWaiting: _wait_for_agent,
    ConversationTakenOver: _take_over,
    ConversationReleased: _release,
    ConsentGiven: _record_consent,
    ConsentWithdrawn: _record_consent,
}
"""Event class → function that builds its command; it has every event of the mode `decided`."""
