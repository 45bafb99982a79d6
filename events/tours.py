"""Tours: booked visits of leads at a property, at a local time in the property's time zone."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field
from uuid_utils.compat import uuid5

from events.event import ChangeEvent, Event, Foreign, Intake, Personal
from events.fields import (
    Body,
    Day,
    Flag,
    Fold,
    Instant,
    LocalTime,
    NotPersonal,
    Number,
    Text,
    Word,
    Zone,
)


class TourType(StrEnum):
    """The form of a tour."""

    IN_PERSON = "in_person"
    VIRTUAL = "virtual"
    SELF_GUIDED = "self_guided"


class TourStatus(StrEnum):
    """The status of a tour."""

    SCHEDULED = "scheduled"
    CONFIRMED = "confirmed"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"


class _TourEvent(Event):
    """An event of a tour, with its lead."""

    stream: ClassVar[str] = "tour"
    entity: ClassVar[str] = "tour_id"
    intake: ClassVar[Intake] = Intake.DECIDED
    requires: ClassVar[Mapping[str, str]] = {"tour_id": "tour", "lead_id": "lead"}

    tour_id: UUID
    lead_id: UUID


class TourScheduled(_TourEvent):
    """A tour was booked."""

    name: ClassVar[str] = "tour.scheduled"
    version: ClassVar[int] = 3
    begins: ClassVar[bool] = True
    requires: ClassVar[Mapping[str, str]] = {"lead_id": "lead", "slot_id": "slot"}

    tour_date: Day
    tour_time: LocalTime
    time_zone: Zone
    fold: Fold
    starts_at: Annotated[Instant, Field(description="Instant of date, time, zone and fold.")]
    duration_minutes: Number
    tour_type: TourType
    source: Annotated[Word, NotPersonal("Names the way on which tours are booked.")]
    notes: Annotated[Body | None, Personal("lead_id")] = None
    assigned_agent_id: Foreign | None = None
    created_by: Foreign | None = None
    slot_id: UUID | None = None
    send_confirmation: Flag = True


class TourRescheduled(_TourEvent):
    """A tour was moved, which sets its status to `scheduled`."""

    name: ClassVar[str] = "tour.rescheduled"
    requires: ClassVar[Mapping[str, str]] = {
        "tour_id": "tour",
        "lead_id": "lead",
        "slot_id": "slot",
    }
    sparse: ClassVar[frozenset[str]] = frozenset({"send_notification"})

    revision: Annotated[Number, Field(description="Number of moves so far, including this one.")]
    tour_date: Day
    tour_time: LocalTime
    time_zone: Zone
    fold: Fold
    starts_at: Annotated[Instant, Field(description="Instant of date, time, zone and fold.")]
    duration_minutes: Number
    slot_id: UUID | None = None
    reason: Annotated[Text | None, Personal("lead_id")] = None
    rescheduled_by: Foreign | None = None
    send_notification: Flag = False


class TourAmended(ChangeEvent, _TourEvent):
    """Details of a tour changed, not its time: an absent field is unchanged, null clears it."""

    name: ClassVar[str] = "tour.amended"
    unchanging: ClassVar[frozenset[str]] = frozenset({"tour_id", "lead_id", "amended_by"})

    tour_type: TourType | None = None
    notes: Annotated[Body | None, Personal("lead_id")] = None
    assigned_agent_id: Foreign | None = None
    amended_by: Foreign | None = None


class TourConfirmed(_TourEvent):
    """The lead's attendance was confirmed."""

    name: ClassVar[str] = "tour.confirmed"
    sparse: ClassVar[frozenset[str]] = frozenset({"send_notification"})

    confirmed_by: Foreign | None = None
    send_notification: Flag = False


class TourCompleted(_TourEvent):
    """The tour took place."""

    name: ClassVar[str] = "tour.completed"

    completed_by: Foreign | None = None


class TourCancelled(_TourEvent):
    """The tour was cancelled."""

    name: ClassVar[str] = "tour.cancelled"
    sparse: ClassVar[frozenset[str]] = frozenset({"send_notification"})

    reason: Annotated[Text | None, Personal("lead_id")] = None
    cancelled_by: Foreign | None = None
    send_notification: Flag = False


class _NoShowEvent(_TourEvent):
    """A no-show or its correction."""

    @property
    def no_show_id(self) -> UUID:
        """Return the id of the engagement `tour_no_show` of the tour.

        It is not the tour's id: a producer chooses that id and could choose another engagement's.
        """
        return uuid5(self.tour_id, "no_show")


class TourNoShowRecorded(_NoShowEvent):
    """The lead did not come: recorded by a user, or by the timer one hour after the end."""

    name: ClassVar[str] = "tour.no_show_recorded"

    recorded_by: Foreign | None = None


class TourNoShowCorrected(_NoShowEvent):
    """A no-show was corrected: the tour has `status` again."""

    name: ClassVar[str] = "tour.no_show_corrected"

    status: Literal[TourStatus.SCHEDULED, TourStatus.CONFIRMED, TourStatus.COMPLETED]
    reason: Annotated[Text | None, Personal("lead_id")] = None
    corrected_by: Foreign | None = None
