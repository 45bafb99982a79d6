"""A mapping: which column of a CSV file says what about a lead, in TOML."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from events.consents import ConsentChannel
from events.engagements import ActivityType, EngagementType
from events.leads import LeadStatus
from services.intake.producer_record import explained

DETAILS = (
    "source", "first_name", "last_name", "email", "phone", "move_in_date", "bedrooms", "notes",
)  # fmt: skip


class BadMapping(ValueError):
    """The mapping file cannot be used; the message says where."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Translated(_Part):
    """A column whose values are called otherwise here; what is not listed stays as it is."""

    column: str
    values: dict[str, str] = Field(default_factory=dict)
    empty: tuple[str, ...] = ()
    """Values that say nothing."""


class StatusColumn(_Part):
    """A column that tells the lead's status; a value that is not listed is refused."""

    column: str
    values: dict[str, LeadStatus]


class LeadColumns(_Part):
    """The columns about the lead itself."""

    external_id: str
    status: StatusColumn | None = None
    source: Translated | None = None
    first_name: Translated | None = None
    last_name: Translated | None = None
    email: Translated | None = None
    phone: Translated | None = None
    move_in_date: Translated | None = None
    bedrooms: Translated | None = None
    notes: Translated | None = None


class ConsentColumn(_Part):
    """Values with which the lead has withdrawn, or given, its consent for a channel."""

    columns: tuple[str, ...]
    channel: ConsentChannel
    withdrawn: tuple[str, ...] = ()
    given: tuple[str, ...] = ()


class EngagementColumns(_Part):
    """Values that say what the lead did; the same in several of the columns counts once."""

    columns: tuple[str, ...]
    values: dict[str, EngagementType]


class ActivityColumns(_Part):
    """Values that say what was done for the lead; the same in several columns counts once."""

    columns: tuple[str, ...]
    values: dict[str, ActivityType]


class CountColumn(_Part):
    """A column that counts: so many facts of one kind, less those the count begins with."""

    column: str
    event_type: EngagementType
    less: Annotated[int, Field(ge=0)] = 0
    at_most: Annotated[int, Field(ge=1, le=1_000)] = 1_000


class Mapping(_Part):
    """What a file's columns say. `name` is the system they come from: part of every id."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    lead: LeadColumns
    consent: tuple[ConsentColumn, ...] = ()
    engagement: tuple[EngagementColumns, ...] = ()
    activity: tuple[ActivityColumns, ...] = ()
    count: tuple[CountColumn, ...] = ()

    @model_validator(mode="after")
    def _none_derived_from_tours(self) -> Self:
        kinds = {one.event_type for one in self.count}
        kinds |= {kind for one in self.engagement for kind in one.values.values()}
        if tours := sorted(kind for kind in kinds if kind.startswith("tour_")):
            raise ValueError(f"{', '.join(tours)}: follows from tours, and is not imported alone")
        return self

    @property
    def done(self) -> "tuple[EngagementColumns | ActivityColumns, ...]":
        """The columns whose values say what was done, by the lead or for it."""
        return (*self.engagement, *self.activity)

    def columns(self) -> Iterator[str]:
        """Every column that the mapping reads."""
        yield self.lead.external_id
        if self.lead.status:
            yield self.lead.status.column
        for name in DETAILS:
            if told := getattr(self.lead, name):
                yield told.column
        for consent in self.consent:
            yield from consent.columns
        for part in self.done:
            yield from part.columns
        for one in self.count:
            yield one.column

    def values_read(self, column: str) -> set[str] | None:
        """The values of a column that say something here; None where every value does."""
        found: set[str] = set()
        lead = self.lead
        whole = {lead.external_id, *(one.column for one in self.count)}
        whole |= {told.column for name in DETAILS if (told := getattr(lead, name))}
        if column in whole:
            return None
        if lead.status and lead.status.column == column:
            found |= lead.status.values.keys()
        for one in self.consent:
            if column in one.columns:
                found |= {*one.withdrawn, *one.given}
        for part in self.done:
            if column in part.columns:
                found |= part.values.keys()
        return found


def read_mapping(path: Path) -> Mapping:
    """Raises `BadMapping`."""
    try:
        return Mapping.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise BadMapping(f"{path}: there is no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadMapping(f"{path}: {error}") from None
    except ValidationError as error:
        raise BadMapping(f"{path}: {explained(error)}") from None
