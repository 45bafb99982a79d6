"""The one list of events: extend it here, in `upcasts.py` for old shapes, nowhere else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from events import (
    chat,
    consents,
    deliveries,
    engagements,
    leads,
    operations,
    properties,
    runs,
    slots,
    tours,
    widgets,
    workflows,
)
from events.event import Event, Intake, personal_fields
from events.upcasts import upcast

EVENTS: tuple[type[Event], ...] = (
    properties.OrganizationRecorded,
    properties.PropertyRecorded,
    properties.ProfileRecorded,
    widgets.WidgetConfigured,
    widgets.WidgetKeyIssued,
    widgets.WidgetKeyRevoked,
    chat.SessionStarted,
    chat.SessionIdentified,
    chat.ConversationStarted,
    chat.ConversationAdopted,
    chat.ConversationMessageAdopted,
    chat.ConversationMessageReceived,
    chat.ConversationReplied,
    chat.ConversationAnswered,
    chat.ConversationTakenOver,
    chat.ConversationReleased,
    chat.ConversationWaiting,
    leads.LeadCaptured,
    leads.LeadImported,
    leads.LeadAdopted,
    leads.LeadUpdated,
    leads.LeadContacted,
    leads.LeadStatusChanged,
    leads.LeadNoted,
    leads.LeadMerged,
    leads.LeadUnmerged,
    leads.LeadErased,
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
    engagements.ActivityRecorded,
    engagements.ScoreDue,
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
    deliveries.DeliveryHandedOver,
    deliveries.DeliveryDelivered,
    deliveries.DeliveryFailed,
    deliveries.DeliverySkipped,
    deliveries.DeliveryUnknown,
    deliveries.DeliveryReconciled,
    operations.ParkedDropped,
    operations.RetentionApplied,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of the catalog.

    `personal` is field → the field holding its subject's id; `told` are the fields a producer may
    leave out, because the core can tell them.
    """

    kind: type[Event]
    name: str
    version: int
    stream: str
    entity: str
    intake: Intake
    personal: Mapping[str, str]
    told: frozenset[str]


class UnknownEvent(LookupError):
    """This build does not know the event's name or its version."""

    def __init__(self, name: str, version: int | None = None) -> None:
        if name in CATALOG:
            message = (
                f"{name} version {version} is unknown, this build knows 1 to "
                f"{CATALOG[name].version}: run a newer build, or send a version it knows"
            )
        else:
            message = (
                f"{name!r} is no event this build knows: run a newer build, "
                "or look up the name in the contract (crm contract export)"
            )
        super().__init__(message)
        self.name, self.version = name, version


CATALOG: Mapping[str, Entry] = MappingProxyType(
    {
        kind.name: Entry(
            kind,
            kind.name,
            kind.version,
            kind.stream,
            kind.entity,
            kind.intake,
            MappingProxyType(personal_fields(kind)),
            getattr(kind, "told", frozenset()),
        )
        for kind in EVENTS
    }
)
"""Name → entry."""

READ: dict[tuple[str, int], Callable[[bytes | str], Event]] = {
    (kind.name, kind.version): kind.__pydantic_validator__.validate_json for kind in EVENTS
}
"""What reads payloads of today's shapes, without the steps `model_validate_json` takes to it."""
_OBJECT = TypeAdapter(dict[str, Any])


def kind_of(name: str) -> type[Event]:
    """The class of the events called `name`. Raises `UnknownEvent`."""
    try:
        return CATALOG[name].kind
    except KeyError:
        raise UnknownEvent(name) from None


def decode(name: str, version: int, payload: bytes | str | dict[str, Any]) -> Event:
    """The event a stored payload holds, in today's shape.

    Raises `UnknownEvent`, and `pydantic.ValidationError` for what never was such an event.
    """
    read = READ.get((name, version))
    if read is not None:
        return read(_json(payload))
    return _decode_old(name, version, payload)


def decode_sent(name: str, version: int, payload: bytes | str | dict[str, Any]) -> Event:
    """As `decode`, for what a producer sent: it may leave out the fields the core can tell."""
    found = _object(payload)
    complete = getattr(kind_of(name), "complete", None)
    return decode(name, version, complete(found) if complete else found)


def why_not_from_producer(event: Event) -> str | None:
    """Why the intake must refuse `event`, where the catalog alone can say so."""
    if event.intake is Intake.NO:
        return f"{event.name} is said by the core only"
    asked = getattr(event, "why_not_from_producer", None)
    why: str | None = asked() if asked else None
    return why


def _decode_old(name: str, version: int, payload: bytes | str | dict[str, Any]) -> Event:
    kind = kind_of(name)
    if not 1 <= version < kind.version:
        raise UnknownEvent(name, version)
    shaped = upcast(name, version, kind.version, _object(payload))
    return kind.model_validate_json(_json(shaped))


def _object(payload: bytes | str | dict[str, Any]) -> dict[str, Any]:
    return payload if isinstance(payload, dict) else _OBJECT.validate_json(payload)


def _json(payload: bytes | str | dict[str, Any]) -> bytes | str:
    if not isinstance(payload, dict):
        return payload
    try:
        return orjson.dumps(payload)
    except TypeError as error:
        problem = PydanticCustomError("json_type", "{why}", {"why": str(error)})
        raise ValidationError.from_exception_data(
            "payload", [{"type": problem, "loc": (), "input": None}]
        ) from error
