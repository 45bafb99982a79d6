"""The mapping: a TOML file that says what the columns of a CSV file mean for a lead."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from events.activities import ActivityType
from events.consents import ConsentChannel
from events.engagements import EngagementType
from events.leads import LeadStatus
from services.runtime.validation import describe_validation_error

DETAILS = (
    "source", "first_name", "last_name", "email", "phone", "move_in_date", "bedrooms", "notes",
)  # fmt: skip


class InvalidMapping(ValueError):
    """The mapping file, or the CSV file it is for, cannot be used; the message says why."""


class _MappingPart(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TextColumn(_MappingPart):
    """A column of texts. `values` replaces some of them; values in `empty` count as no value."""

    column: str
    values: dict[str, str] = Field(default_factory=dict)
    empty: tuple[str, ...] = ()


class StatusColumn(_MappingPart):
    """The column of the lead's status; a line with a value that is not listed is refused."""

    column: str
    values: dict[str, LeadStatus]


class LeadColumns(_MappingPart):
    """The columns about the lead itself."""

    external_id: str
    status: StatusColumn | None = None
    source: TextColumn | None = None
    first_name: TextColumn | None = None
    last_name: TextColumn | None = None
    email: TextColumn | None = None
    phone: TextColumn | None = None
    move_in_date: TextColumn | None = None
    bedrooms: TextColumn | None = None
    notes: TextColumn | None = None


class ConsentColumn(_MappingPart):
    """Columns whose values withdraw or give the lead's consent for a channel."""

    columns: tuple[str, ...]
    channel: ConsentChannel
    withdrawn: tuple[str, ...] = ()
    given: tuple[str, ...] = ()


class EngagementColumns(_MappingPart):
    """Columns whose values are engagements; the same one in several columns counts once."""

    columns: tuple[str, ...]
    values: dict[str, EngagementType]


class ActivityColumns(_MappingPart):
    """Columns whose values are activities; the same one in several columns counts once."""

    columns: tuple[str, ...]
    values: dict[str, ActivityType]


class CountColumn(_MappingPart):
    """A column with a number of engagements of one type; `less` is subtracted from it."""

    column: str
    event_type: EngagementType
    less: Annotated[int, Field(ge=0)] = 0
    at_most: Annotated[int, Field(ge=1, le=1_000)] = 1_000


class ColumnMapping(_MappingPart):
    """The meaning of a file's columns. `name` is the source system: a part of every lead's id."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    lead: LeadColumns
    consent: tuple[ConsentColumn, ...] = ()
    engagement: tuple[EngagementColumns, ...] = ()
    activity: tuple[ActivityColumns, ...] = ()
    count: tuple[CountColumn, ...] = ()

    @model_validator(mode="after")
    def _check_no_tour_engagements(self) -> Self:
        """Refuse engagements that the core derives from tours: they would count twice."""
        kinds = {part.event_type for part in self.count}
        kinds |= {kind for part in self.engagement for kind in part.values.values()}
        if tours := sorted(kind for kind in kinds if kind.startswith("tour_")):
            raise ValueError(f"{', '.join(tours)}: derived from tours, cannot be imported alone")
        return self

    @property
    def actions(self) -> "tuple[EngagementColumns | ActivityColumns, ...]":
        """The columns whose values are engagements or activities."""
        return (*self.engagement, *self.activity)

    def columns(self) -> Iterator[str]:
        """Yield every column that the mapping reads."""
        yield self.lead.external_id
        if self.lead.status:
            yield self.lead.status.column
        yield from self._text_columns()
        for consent in self.consent:
            yield from consent.columns
        for action in self.actions:
            yield from action.columns
        for counted in self.count:
            yield counted.column

    def values_read(self, column: str) -> set[str] | None:
        """Return the values of a column that the mapping covers; None if it covers every value."""
        covered = {self.lead.external_id, *(part.column for part in self.count)}
        if column in covered.union(self._text_columns()):
            return None
        values: set[str] = set()
        if self.lead.status and self.lead.status.column == column:
            values |= self.lead.status.values.keys()
        for consent in self.consent:
            if column in consent.columns:
                values |= {*consent.withdrawn, *consent.given}
        for action in self.actions:
            if column in action.columns:
                values |= action.values.keys()
        return values

    def _text_columns(self) -> Iterator[str]:
        for name in DETAILS:
            if part := getattr(self.lead, name):
                yield part.column


def read_mapping(path: Path) -> ColumnMapping:
    """Read and validate a mapping file; raise `InvalidMapping`."""
    try:
        return ColumnMapping.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise InvalidMapping(f"{path}: there is no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidMapping(f"{path}: {error}") from None
    except ValidationError as error:
        raise InvalidMapping(f"{path}: {describe_validation_error(error)}") from None
