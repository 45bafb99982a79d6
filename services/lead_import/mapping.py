"""The mapping: a TOML file that says what the columns of a CSV file mean for a lead."""

import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Self, TypeAlias

from pydantic import Field, ValidationError, model_validator

from services.lead_import import mappings
from services.lead_import.mapping_columns import (
    ActivityColumns,
    AgentColumn,
    ColumnPart,
    ColumnsPart,
    ConsentColumn,
    CountColumn,
    DateColumn,
    EngagementColumns,
    MappingPart,
    MetadataColumn,
    NoteColumns,
    StatusColumn,
    StatusDate,
    TextColumn,
    ZoneName,
)
from services.runtime.validation import describe_validation_error

DETAILS = ("source", "first_name", "last_name", "email", "phone", "bedrooms", "notes")
SUFFIX = ".toml"

Part: TypeAlias = ColumnPart | ColumnsPart


class InvalidMapping(ValueError):
    """The mapping file, or the CSV file it is for, cannot be used; the message says why."""


class LeadColumns(MappingPart):
    """The columns about the lead itself."""

    external_id: ColumnPart
    arrived: DateColumn | None = None
    status: StatusColumn | None = None
    assigned: AgentColumn | None = None
    source: TextColumn | None = None
    first_name: TextColumn | None = None
    last_name: TextColumn | None = None
    email: TextColumn | None = None
    phone: TextColumn | None = None
    move_in_date: DateColumn | None = None
    bedrooms: TextColumn | None = None
    notes: TextColumn | None = None


class ColumnMapping(MappingPart):
    """The meaning of a file's columns. `name` is the source system: a part of every lead's id."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    zone: ZoneName | None = None
    """The time zone of local times; by default that of the property."""
    optional_columns: bool = False
    """True if a file may lack columns of the mapping, except the id and the arrival."""
    lead: LeadColumns
    metadata: dict[Annotated[str, Field(max_length=100)], MetadataColumn] = Field(
        default_factory=dict
    )
    history: tuple[StatusDate, ...] = ()
    note: tuple[NoteColumns, ...] = ()
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
    def actions(self) -> tuple[EngagementColumns | ActivityColumns, ...]:
        """The columns whose values are engagements or activities."""
        return (*self.engagement, *self.activity)

    @property
    def texts(self) -> dict[str, TextColumn]:
        """The lead's fields that are texts, with their columns."""
        columns = {name: getattr(self.lead, name) for name in DETAILS}
        return {name: column for name, column in columns.items() if column is not None}

    @property
    def parts(self) -> tuple[Part, ...]:
        """Every part of the mapping that reads columns, those of dates included."""
        return tuple(_parts_in(self))

    def columns(self) -> Iterator[str]:
        """Yield every column that the mapping reads, some of them several times."""
        for part in self.parts:
            yield from _columns_of(part)

    def values_read(self, column: str) -> set[str] | None:
        """Return the values of a column that the mapping covers; None if it covers every value."""
        values: set[str] = set()
        for part in self.parts:
            if column not in _columns_of(part):
                continue
            match part:
                case StatusColumn() | EngagementColumns() | ActivityColumns():
                    values |= part.values.keys()
                case ConsentColumn():
                    values |= {*part.withdrawn, *part.given}
                case _:
                    return None
        return values


def _parts_in(value: object) -> Iterator[Part]:
    """Yield the parts inside of a part, a list or a table of the mapping."""
    if isinstance(value, ColumnPart | ColumnsPart):
        yield value
    if isinstance(value, MappingPart):
        for name in type(value).model_fields:
            yield from _parts_in(getattr(value, name))
    elif isinstance(value, tuple):
        for item in value:
            yield from _parts_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _parts_in(item)


def _columns_of(part: Part) -> tuple[str, ...]:
    return (part.column,) if isinstance(part, ColumnPart) else part.columns


def shipped_mappings() -> list[str]:
    """Return the names of the mappings that the package contains."""
    names = (entry.name for entry in files(mappings).iterdir())
    return sorted(name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX))


def read_mapping_text(name: str) -> str:
    """Return the text of a mapping: a file, or the name of one that the package contains."""
    if name in shipped_mappings():
        return files(mappings).joinpath(f"{name}{SUFFIX}").read_text(encoding="utf-8")
    try:
        return Path(name).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InvalidMapping(
            f"{name}: there is no such file, and no mapping of this name is shipped "
            f"({', '.join(shipped_mappings())})"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidMapping(f"{name} cannot be read: {error}") from None


def read_mapping(name: str) -> ColumnMapping:
    """Read and validate a mapping file, or a shipped mapping; raise `InvalidMapping`."""
    try:
        return ColumnMapping.model_validate(tomllib.loads(read_mapping_text(name)))
    except tomllib.TOMLDecodeError as error:
        raise InvalidMapping(f"{name}: {error}") from None
    except ValidationError as error:
        raise InvalidMapping(f"{name}: {describe_validation_error(error)}") from None
