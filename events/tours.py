"""Tours: a local date and time in the property's zone, booked, moved, held or missed."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID, uuid5

from events.event import Event, Foreign, Intake, Personal
from events.fields import Body, Day, Flag, Fold, Instant, LocalTime, Number, Text, Word, Zone


class TourType(StrEnum):
    """How a tour is given."""

    IN_PERSON = "in_person"
    VIRTUAL = "virtual"
    SELF_GUIDED = "self_guided"


class TourStatus(StrEnum):
    """Where a tour stands."""

    SCHEDULED = "scheduled"
    CONFIRMED = "confirmed"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"


class _TourEvent(Event):
    """The stream of one tour, and whose tour it is."""

    stream: ClassVar[str] = "tour"
    entity: ClassVar[str] = "tour_id"
    intake: ClassVar[Intake] = Intake.DECIDED

    tour_id: UUID
    lead_id: UUID


class TourScheduled(_TourEvent):
    """A tour was booked. `starts_at` is the instant of date, time, zone and fold."""

    name: ClassVar[str] = "tour.scheduled"
    version: ClassVar[int] = 3

    tour_date: Day
    tour_time: LocalTime
    time_zone: Zone
    fold: Fold
    starts_at: Instant
    duration_minutes: Number
    tour_type: TourType
    source: Word
    notes: Annotated[Body | None, Personal("lead_id")] = None
    assigned_agent_id: Foreign | None = None
    created_by: Foreign | None = None
    slot_id: UUID | None = None
    send_confirmation: Flag = True


class TourRescheduled(_TourEvent):
    """A tour was moved, and is `scheduled` again; `revision` counts the moves from one."""

    name: ClassVar[str] = "tour.rescheduled"

    revision: Number
    tour_date: Day
    tour_time: LocalTime
    time_zone: Zone
    fold: Fold
    starts_at: Instant
    duration_minutes: Number
    slot_id: UUID | None = None
    reason: Annotated[Text | None, Personal("lead_id")] = None
    rescheduled_by: Foreign | None = None
    send_notification: Flag = False


class TourAmended(_TourEvent):
    """What does not move a tour was changed: absent stays as it was, null empties it."""

    name: ClassVar[str] = "tour.amended"

    tour_type: TourType | None = None
    notes: Annotated[Body | None, Personal("lead_id")] = None
    assigned_agent_id: Foreign | None = None
    amended_by: Foreign | None = None

    @property
    def changes(self) -> dict[str, Any]:
        """Field → its new value, for what was changed only."""
        changed = self.model_fields_set - {"tour_id", "lead_id", "amended_by"}
        return {field: getattr(self, field) for field in sorted(changed)}


class TourConfirmed(_TourEvent):
    """The lead, or somebody for it, said that it will come."""

    name: ClassVar[str] = "tour.confirmed"

    confirmed_by: Foreign | None = None
    send_notification: Flag = False


class TourCompleted(_TourEvent):
    """The tour took place."""

    name: ClassVar[str] = "tour.completed"

    completed_by: Foreign | None = None


class TourCancelled(_TourEvent):
    """The tour will not take place."""

    name: ClassVar[str] = "tour.cancelled"

    reason: Annotated[Text | None, Personal("lead_id")] = None
    cancelled_by: Foreign | None = None
    send_notification: Flag = False


class _NoShowEvent(_TourEvent):
    """A no-show, or that it was none."""

    @property
    def no_show_id(self) -> UUID:
        """What the no-show of a tour is called among a lead's engagements. Not the tour's id: a
        producer chooses that, and could choose another engagement's."""
        return uuid5(self.tour_id, "no_show")


class TourNoShowRecorded(_NoShowEvent):
    """Nobody came: said by a person, or by the timer an hour after the end."""

    name: ClassVar[str] = "tour.no_show_recorded"

    recorded_by: Foreign | None = None


class TourNoShowCorrected(_NoShowEvent):
    """They did come, or it was too early to say: the tour has `status` again."""

    name: ClassVar[str] = "tour.no_show_corrected"

    status: Literal[TourStatus.SCHEDULED, TourStatus.CONFIRMED, TourStatus.COMPLETED]
    reason: Annotated[Text | None, Personal("lead_id")] = None
    corrected_by: Foreign | None = None
