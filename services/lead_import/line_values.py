"""The values of one line of the file, read with the columns of a mapping."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from events.leads import LeadStatus
from services.deciders.dates import require_day
from services.lead_import.dates import read_day, read_instant
from services.lead_import.mapping import ColumnMapping
from services.lead_import.mapping_columns import (
    AgentColumn,
    ColumnPart,
    CountColumn,
    DateColumn,
    StatusColumn,
    TextColumn,
)

MAX_COUNT = 1_000_000_000


class InvalidLine(Exception):
    """The line cannot be imported; the message says why."""


@dataclass(frozen=True, slots=True)
class ImportTarget:
    """The property of the leads, and what the lines need besides the file.

    Phone numbers and dates are read in `country`. No event may be after `until`. `agents` maps the
    id and the full name of each profile, in lower case, to its id. Without a column of arrivals,
    the first lead arrived at `start` and the others followed every `interval`. Lead ids are keyed
    hashes of the ids of the other system, which may be addresses.
    """

    org_id: UUID
    property_id: UUID
    zone: ZoneInfo
    until: datetime
    country: str
    contact_key: bytes = field(repr=False)
    agents: Mapping[str, UUID] = field(default_factory=dict)
    start: datetime | None = None
    interval: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class LineValues:
    """The fields of one line by column; a column that the file lacks is blank."""

    row: Mapping[str, str]
    mapping: ColumnMapping
    target: ImportTarget

    def raw(self, column: str) -> str:
        """Return the text of a column in NFC, without blanks around it."""
        return unicodedata.normalize("NFC", self.row.get(column, "").strip())

    def text(self, part: ColumnPart) -> str | None:
        """Return the text of a column; None if it is blank or one of the part's empty values."""
        value = self.raw(part.column)
        if not value or value in part.empty:
            return None
        return part.values.get(value, value) if isinstance(part, TextColumn) else value

    def instant(self, part: DateColumn | None) -> datetime | None:
        """Return the instant of a date column; None if there is none. Raise `InvalidLine`."""
        text = None if part is None else self.text(part)
        if part is None or text is None:
            return None
        zone = part.zone or self.mapping.zone
        try:
            instant = read_instant(text, part.format, ZoneInfo(zone) if zone else self.target.zone)
        except ValueError as error:
            raise InvalidLine(f"{part.column}: {error}") from None
        if instant > self.target.until:
            raise InvalidLine(f"{part.column}: {text!r} is in the future: correct it")
        return instant

    def day(self, part: DateColumn | None) -> date | None:
        """Return the calendar day of a date column, which may be in the future.

        Without a `format` any text that names a day is read. Raise `InvalidLine` or `Refused`.
        """
        text = None if part is None else self.text(part)
        if part is None or text is None:
            return None
        if "format" not in part.model_fields_set:
            return require_day(text, self.target.country, None)
        try:
            return read_day(text, part.format)
        except ValueError as error:
            raise InvalidLine(f"{part.column}: {error}") from None

    def status(self, part: StatusColumn | None) -> LeadStatus | None:
        """Return the lead's status; None without a column or a value. Raise `InvalidLine`."""
        if part is None:
            return None
        value = self.raw(part.column)
        if value in part.values:
            return part.values[value]
        if not value or value in part.empty:
            return None
        raise InvalidLine(
            f"{part.column} is {value!r}: add this value to the statuses of the mapping"
        )

    def agent(self, part: AgentColumn | None) -> UUID | None:
        """Return the profile of the assigned agent; None if nobody is. Raise `InvalidLine`."""
        name = None if part is None else self.text(part)
        if part is None or name is None:
            return None
        profile_id = part.values.get(name)
        agent = self.target.agents.get(str(profile_id or name).casefold())
        if agent is None and part.unknown == "refuse":
            raise InvalidLine(
                f"{part.column} is {name!r}, which is not the name or the id of one profile of the "
                "organisation: add it to the values of the mapping, or to its `empty`"
            )
        return agent

    def metadata(self) -> dict[str, Any]:
        """Return the metadata of the lead: a text, or a list of texts, for each filled column."""
        found: dict[str, Any] = {}
        for key, part in self.mapping.metadata.items():
            text = self.text(part)
            if text is None:
                continue
            items = text.split(part.split) if part.split else [text]
            filled = [item.strip() for item in items if item.strip()]
            if filled:
                found[key] = filled if part.split else filled[0]
        return found

    def count(self, part: CountColumn) -> int:
        """Return the number of engagements that a column states. Raise `InvalidLine`."""
        text = self.text(part)
        if text is None:
            return 0
        try:
            number = float(text)
        except ValueError:
            raise InvalidLine(f"{part.column} is {text!r}, not a number") from None
        if not 0 <= number < MAX_COUNT or number != int(number):
            raise InvalidLine(f"{part.column} is {text!r}, not a whole number from 0")
        return max(0, min(int(number), part.at_most) - part.less)
