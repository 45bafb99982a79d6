"""The parts of a mapping: what one column, or several, of a CSV file mean.

Every part that needs nothing but its column may be written as the name of the column alone.
"""

from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from events.activities import ActivityType
from events.consents import ConsentChannel
from events.engagements import EngagementType
from events.leads import LeadStatus
from services.deciders.decider import Refused
from services.deciders.local_time import load_zone
from services.lead_import.dates import check_format


def _as_list(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _check_zone(name: str) -> str:
    try:
        load_zone(name)
    except Refused as refused:
        raise ValueError(refused.message) from None
    return name


Texts: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_as_list)]
"""One or several texts; a single one may be written without brackets."""
Formats: TypeAlias = Annotated[
    tuple[Annotated[str, AfterValidator(check_format)], ...],
    BeforeValidator(_as_list),
    Field(min_length=1),
]
ZoneName: TypeAlias = Annotated[str, AfterValidator(_check_zone)]


class MappingPart(BaseModel):
    """A table of the mapping file; an unknown key is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ColumnPart(MappingPart):
    """A part about one column, which may be written as the name of the column alone."""

    column: str
    empty: Texts = ()
    """Values that count as no value, besides a blank."""

    @model_validator(mode="before")
    @classmethod
    def _expand_name(cls, value: Any) -> Any:
        return {"column": value} if isinstance(value, str) else value


class ColumnsPart(MappingPart):
    """A part about several columns; `column` may be written for `columns`."""

    columns: Texts

    @model_validator(mode="before")
    @classmethod
    def _expand_column(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"columns": value}
        if isinstance(value, dict) and "column" in value and "columns" not in value:
            return {("columns" if key == "column" else key): item for key, item in value.items()}
        return value


class TextColumn(ColumnPart):
    """A column of texts. `values` replaces some of them."""

    values: dict[str, str] = Field(default_factory=dict)


class DateColumn(ColumnPart):
    """A column of dates. `zone` is that of local times, by default the mapping's `zone`."""

    format: Formats = ("iso",)
    zone: ZoneName | None = None


class StatusColumn(ColumnPart):
    """The column of the lead's status; a line with a value that is not listed is refused.

    Without `values` the column contains the statuses of the core. `at` is when it was reached.
    """

    values: dict[str, LeadStatus] = Field(
        default_factory=lambda: {status.value: status for status in LeadStatus}
    )
    at: DateColumn | None = None


class AgentColumn(ColumnPart):
    """The column of the assigned agent: the id or the full name of a profile.

    `values` maps other texts to profile ids. `at` is when the agent was assigned. A line with an
    unknown agent is refused, or with `unknown = "ignore"` imported without one.
    """

    values: dict[str, UUID] = Field(default_factory=dict)
    unknown: Literal["refuse", "ignore"] = "refuse"
    at: DateColumn | None = None


class MetadataColumn(ColumnPart):
    """A column that is kept as metadata; with `split` as a list of texts."""

    split: Annotated[str, Field(min_length=1)] | None = None


class StatusDate(MappingPart):
    """The column with the date on which the lead reached a status."""

    status: LeadStatus
    at: DateColumn


class NoteColumns(ColumnsPart):
    """Columns of notes; each value that is not blank is a note of its own."""

    at: DateColumn | None = None


class ConsentColumn(ColumnsPart):
    """Columns whose values withdraw or give the lead's consent for a channel."""

    channel: ConsentChannel
    withdrawn: Texts = ()
    given: Texts = ()
    at: DateColumn | None = None


class EngagementColumns(ColumnsPart):
    """Columns whose values are engagements; the same one in several columns counts once."""

    values: dict[str, EngagementType]
    at: DateColumn | None = None


class ActivityColumns(ColumnsPart):
    """Columns whose values are activities; the same one in several columns counts once."""

    values: dict[str, ActivityType]
    at: DateColumn | None = None


class CountColumn(ColumnPart):
    """A column with a number of engagements of one type; `less` is subtracted from it.

    `at` is the date of the last one; the others are spread evenly since the lead's arrival.
    """

    event_type: EngagementType
    less: Annotated[int, Field(ge=0)] = 0
    at_most: Annotated[int, Field(ge=1, le=1_000)] = 1_000
    at: DateColumn | None = None
