"""The catalog: the list of all event classes. Old versions are in `upcasts.py`."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from events import (
    activities,
    api_keys,
    consents,
    conversations,
    deliveries,
    engagements,
    explanations,
    leads,
    merges,
    operations,
    privacy,
    properties,
    restrictions,
    runs,
    scores,
    sessions,
    slots,
    tasks,
    tours,
    widgets,
    workflows,
)
from events.event import Event, Intake, personal_fields

EVENTS: tuple[type[Event], ...] = (
    properties.OrganizationRecorded,
    properties.PropertyRecorded,
    properties.ProfileRecorded,
    widgets.WidgetConfigured,
    widgets.WidgetKeyIssued,
    widgets.WidgetKeyRevoked,
    api_keys.ApiKeyIssued,
    api_keys.ApiKeyRevoked,
    sessions.SessionStarted,
    sessions.SessionIdentified,
    conversations.ConversationStarted,
    conversations.ConversationAdopted,
    conversations.ConversationMessageAdopted,
    conversations.ConversationMessageReceived,
    conversations.ConversationReplied,
    conversations.ConversationAnswered,
    conversations.ConversationTakenOver,
    conversations.ConversationReleased,
    conversations.ConversationWaiting,
    conversations.ConversationChangeExplained,
    leads.LeadCaptured,
    leads.LeadImported,
    leads.LeadAdopted,
    leads.LeadUpdated,
    leads.LeadContacted,
    leads.LeadZoneSet,
    leads.LeadStatusChanged,
    leads.LeadAssigned,
    leads.LeadNoted,
    merges.LeadMerged,
    merges.LeadUnmerged,
    restrictions.LeadRestricted,
    restrictions.LeadRestrictionLifted,
    privacy.LeadExported,
    privacy.LeadRectified,
    leads.LeadErased,
    privacy.LeadErasureCompleted,
    tours.TourScheduled,
    tours.TourConfirmed,
    tours.TourRescheduled,
    tours.TourAmended,
    tours.TourCompleted,
    tours.TourCancelled,
    tours.TourNoShowRecorded,
    tours.TourNoShowCorrected,
    slots.SlotOpened,
    slots.SlotHeld,
    slots.SlotReleased,
    slots.SlotClosed,
    engagements.EngagementRecorded,
    activities.ActivityRecorded,
    scores.ScoreDue,
    consents.ConsentGiven,
    consents.ConsentWithdrawn,
    workflows.WorkflowDefined,
    workflows.WorkflowActivated,
    workflows.WorkflowDeactivated,
    workflows.TemplateDefined,
    workflows.TemplateRetired,
    runs.RunEnrolled,
    runs.RunStepReached,
    runs.RunPaused,
    runs.RunResumed,
    runs.RunMoved,
    runs.RunStopped,
    runs.RunConverted,
    runs.RunCompleted,
    deliveries.DeliveryPlanned,
    deliveries.DeliveryHeld,
    deliveries.DeliveryClaimed,
    deliveries.DeliveryReleased,
    deliveries.DeliveryHandedOver,
    deliveries.DeliveryDelivered,
    deliveries.DeliveryFailed,
    deliveries.DeliverySkipped,
    deliveries.DeliveryUnknown,
    deliveries.DeliveryReconciled,
    tasks.TaskCreated,
    tasks.TaskAssigned,
    tasks.TaskDue,
    tasks.TaskDone,
    explanations.ChangeExplained,
    explanations.PropertyChangeExplained,
    operations.ParkedDropped,
    operations.RetentionApplied,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One event class of the catalog with its declarations.

    `personal` is field → the field with the id of its data subject; `derivable` are the fields
    that a producer may omit; `planned` events have no code yet that produces them.
    """

    kind: type[Event]
    name: str
    version: int
    stream: str
    entity: str
    intake: Intake
    personal: Mapping[str, str]
    derivable: frozenset[str]
    planned: bool


class UnknownEvent(LookupError):
    """A name or version of an event that this build does not know."""

    def __init__(self, name: str, version: int | None = None) -> None:
        if name in CATALOG:
            message = (
                f"{name} version {version} is unknown, this build knows versions 1 to "
                f"{CATALOG[name].version}: run a newer build or send a known version"
            )
        else:
            message = (
                f"event {name!r} is unknown to this build: run a newer build, "
                "or look up the name in the contract (crm contract export)"
            )
        super().__init__(message)
        self.name, self.version = name, version


CATALOG: Mapping[str, Entry] = MappingProxyType(
    {
        kind.name: Entry(
            kind, kind.name, kind.version, kind.stream, kind.entity, kind.intake,
            MappingProxyType(personal_fields(kind)), kind.derivable, kind.planned,
        )
        for kind in EVENTS
    }
)  # fmt: skip
"""Event name → entry."""


def kind_of(name: str) -> type[Event]:
    """Return the class of an event name. Raises `UnknownEvent`."""
    try:
        return CATALOG[name].kind
    except KeyError:
        raise UnknownEvent(name) from None


def producer_objection(event: Event) -> str | None:
    """Return why the intake must reject `event` by the catalog alone, or None."""
    if event.intake is Intake.NO:
        return f"{event.name} is written by the core only: no producer may send it"
    return event.producer_objection()
