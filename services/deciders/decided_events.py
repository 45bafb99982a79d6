"""What a producer says happened, as the command that must decide the very same."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from events.chat import (
    ConversationAnswered,
    ConversationReleased,
    ConversationReplied,
    ConversationTakenOver,
    ConversationWaiting,
    SessionIdentified,
)
from events.consents import ConsentGiven, ConsentWithdrawn, consent_id
from events.event import Event
from events.leads import LeadCaptured, LeadNoted, LeadStatusChanged, LeadUpdated
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
    sessions,
    tour_bookings,
    tour_outcomes,
)
from services.deciders.decider import Refused
from services.deciders.local_time import When


@dataclass(frozen=True, slots=True)
class Known:
    """What a decision about a proposal needs besides the streams.

    `at` is when it happened; `time_zone` the property's; `lead_id` whose e-mail or phone it is.
    """

    at: datetime
    time_zone: str | None = None
    lead_id: UUID | None = None


MAY_BE_TOLD = frozenset({"session_id", "lead_id", "previous_status", "slot_id"})
"""Fields a producer may leave out, because the core knows them."""
MAY_BE_NULL = frozenset({"slot_id"})
"""Fields that a producer may leave null for the same reason."""


def disagreement(proposed: Event, decided: Event) -> list[str] | None:
    """The fields in which a decided event differs from the proposed one; None: another event.

    A field that the producer left out and the core can tell is no difference.
    """
    if type(proposed) is not type(decided) or proposed.stream_id != decided.stream_id:
        return None
    differing = [
        name
        for name in type(proposed).model_fields
        if getattr(proposed, name) != getattr(decided, name)
        and (name in proposed.model_fields_set or name not in MAY_BE_TOLD)
        and (getattr(proposed, name) is not None or name not in MAY_BE_NULL)
    ]
    return differing + sorted(_changed(proposed) ^ _changed(decided))


def _changed(event: Event) -> set[str]:
    """Null and absent are two things in an event of changes."""
    changes: dict[str, object] = getattr(event, "changes", {})
    return set(changes)


def said_of(event: Event, lead_id: UUID | None) -> Event:
    """The same event about another lead; a new one's own id stays what it is."""
    if isinstance(event, LeadCaptured) or "lead_id" not in type(event).model_fields:
        return event
    changes: dict[str, object] = {"lead_id": lead_id}
    if isinstance(event, ConsentGiven | ConsentWithdrawn) and lead_id is not None:
        changes["consent_id"] = consent_id(lead_id, event.channel)
    return event.model_copy(update=changes)


def propose(event: Event, known: Known) -> object:
    """The command of a proposed event. Raises `Refused`."""
    build = COMMAND_OF.get(type(event))
    if build is None:
        raise Refused("not_for_producers", f"{event.name} is said by the core only", 400)
    return build(event, known)


def _captured(event: LeadCaptured, known: Known) -> object:
    details = leads.Details(**{name: getattr(event, name) for name in leads.DETAILS})
    normal = _normalised(details)
    return leads.CaptureLead(
        event.lead_id, normal, None if known.lead_id == event.lead_id else known.lead_id,
        event.session_id, event.captured_by,
    )  # fmt: skip


def _normalised(details: leads.Details) -> leads.Details:
    given = details.given
    return leads.Details(
        **given
        | {"email": contacts.email_of(details.email), "phone": contacts.phone_of(details.phone)}
    )


def _updated(event: LeadUpdated, known: Known) -> object:
    changes = {name: value for name, value in event.changes.items() if name in leads.DETAILS}
    if changes.get("email"):
        changes["email"] = contacts.email_of(changes["email"])
    if changes.get("phone"):
        changes["phone"] = contacts.phone_of(changes["phone"])
    owner = known.lead_id if changes.get("email") else None
    return leads.UpdateLead(event.lead_id, changes, event.updated_by, owner)


def _moved_on(event: LeadStatusChanged, _known: Known) -> object:
    return leads.ChangeStatus(event.lead_id, event.status, event.reason, event.changed_by)


def _noted(event: LeadNoted, _known: Known) -> object:
    return leads.NoteLead(event.lead_id, event.note, event.noted_by)


def _when(event: TourScheduled | TourRescheduled, known: Known) -> When:
    return When(
        event.tour_date, event.tour_time, known.time_zone or event.time_zone, event.fold,
        event.duration_minutes,
    )  # fmt: skip


def _scheduled(event: TourScheduled, known: Known) -> object:
    return tour_bookings.ScheduleTour(
        event.tour_id, event.lead_id, at=known.at, when=_when(event, known), source=event.source,
        tour_type=event.tour_type, notes=event.notes, assigned_agent_id=event.assigned_agent_id,
        created_by=event.created_by, slot_id=event.slot_id,
        send_confirmation=event.send_confirmation,
    )  # fmt: skip


def _rescheduled(event: TourRescheduled, known: Known) -> object:
    return tour_bookings.RescheduleTour(
        event.tour_id, event.lead_id, at=known.at, when=_when(event, known), reason=event.reason,
        rescheduled_by=event.rescheduled_by, slot_id=event.slot_id,
        send_notification=event.send_notification,
    )  # fmt: skip


def _amended(event: TourAmended, _known: Known) -> object:
    return tour_bookings.AmendTour(event.tour_id, event.lead_id, event.changes, event.amended_by)


def _confirmed(event: TourConfirmed, _known: Known) -> object:
    return tour_outcomes.ConfirmTour(
        event.tour_id, event.lead_id, event.confirmed_by, event.send_notification
    )


def _completed(event: TourCompleted, _known: Known) -> object:
    return tour_outcomes.CompleteTour(event.tour_id, event.lead_id, event.completed_by)


def _cancelled(event: TourCancelled, _known: Known) -> object:
    return tour_outcomes.CancelTour(
        event.tour_id, event.lead_id, event.reason, event.cancelled_by, event.send_notification
    )


def _missed(event: TourNoShowRecorded, _known: Known) -> object:
    return tour_outcomes.RecordNoShow(event.tour_id, event.lead_id, event.recorded_by)


def _not_missed(event: TourNoShowCorrected, _known: Known) -> object:
    return tour_outcomes.CorrectNoShow(
        event.tour_id, event.lead_id, TourStatus(event.status), event.reason, event.corrected_by
    )


def _identified(event: SessionIdentified, _known: Known) -> object:
    return sessions.IdentifySession(
        event.session_id, event.lead_id, event.conversation_ids, strict=True
    )


def _replied(event: ConversationReplied, _known: Known) -> object:
    return conversations.Reply(
        event.conversation_id, event.message_id, event.content, event.epoch, event.in_reply_to
    )


def _answered(event: ConversationAnswered, _known: Known) -> object:
    return conversations.Answer(
        event.conversation_id, event.message_id, event.content, event.agent_id, event.epoch
    )


def _waiting(event: ConversationWaiting, _known: Known) -> object:
    return conversations.WaitForPerson(
        event.conversation_id, event.reason, event.message_id, event.content
    )


def _taken_over(event: ConversationTakenOver, _known: Known) -> object:
    return conversations.TakeOver(
        event.conversation_id, event.agent_id, event.message_id, event.content
    )


def _released(event: ConversationReleased, _known: Known) -> object:
    return conversations.Release(
        event.conversation_id, event.released_by, event.message_id, event.content
    )


def _consent(event: ConsentGiven | ConsentWithdrawn, _known: Known) -> object:
    return consents.SayConsent(
        event.lead_id, event.channel, isinstance(event, ConsentGiven), event.place, event.at,
        event.text, getattr(event, "keyword", None), event.recorded_by,
    )  # fmt: skip


COMMAND_OF: dict[type[Event], Callable[..., object]] = {
    LeadCaptured: _captured,
    LeadUpdated: _updated,
    LeadStatusChanged: _moved_on,
    LeadNoted: _noted,
    TourScheduled: _scheduled,
    TourRescheduled: _rescheduled,
    TourAmended: _amended,
    TourConfirmed: _confirmed,
    TourCompleted: _completed,
    TourCancelled: _cancelled,
    TourNoShowRecorded: _missed,
    TourNoShowCorrected: _not_missed,
    SessionIdentified: _identified,
    ConversationReplied: _replied,
    ConversationAnswered: _answered,
    ConversationWaiting: _waiting,
    ConversationTakenOver: _taken_over,
    ConversationReleased: _released,
    ConsentGiven: _consent,
    ConsentWithdrawn: _consent,
}
