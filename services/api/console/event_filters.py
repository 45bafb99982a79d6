"""The filters of the list of events, as the address of the page has them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from services.api.console.page import Page


@dataclass(frozen=True, slots=True)
class EventFilter:
    """The conditions of a list; all that are given must hold."""

    event_type: str | None = None
    entity_type: str | None = None
    entity_id: UUID | None = None
    lead_id: UUID | None = None
    property_id: UUID | None = None
    correlation_id: UUID | None = None
    trace_id: UUID | None = None
    """A trace id has the 16 bytes of a UUID."""

    @property
    def has_index(self) -> bool:
        """True if an index finds the events, however old they are."""
        return self.lead_id is not None or (
            self.entity_id is not None and self.entity_type is not None
        )

    def conditions(self, first: int) -> tuple[list[str], list[object]]:
        """Return the conditions in SQL, with parameters from number `first` on."""
        conditions, values = [], list[object]()
        for name in ("event_type", "entity_type", "entity_id", "lead_id", "property_id"):
            if (value := getattr(self, name)) is not None:
                conditions.append(f"{name} = ${first + len(values)}")
                values.append(value)
        if self.correlation_id is not None:
            number = first + len(values)
            conditions.append(f"(correlation_id = ${number} OR id = ${number})")
            values.append(self.correlation_id)
        if self.trace_id is not None:
            conditions.append(f"substring(trace_context for 16) = ${first + len(values)}")
            values.append(self.trace_id.bytes)
        return conditions, values


def read_filter(page: Page, wrong: list[str]) -> EventFilter:
    """Return the conditions of the address. What is wrong is left out and named in `wrong`."""
    query = page.query
    return EventFilter(
        query.get("type"), query.get("entity"), _read_id(page, "id", wrong),
        _read_id(page, "lead", wrong), _read_id(page, "property", wrong),
        _read_id(page, "correlation", wrong), _read_id(page, "trace", wrong),
    )  # fmt: skip


def _read_id(page: Page, name: str, wrong: list[str]) -> UUID | None:
    text = page.query.get(name)
    try:
        return UUID(text.strip()) if text else None
    except ValueError:
        wrong.append(f"{name}: “{text}” is no id, so it was left out")
        return None


def read_instant(page: Page, name: str, wrong: list[str]) -> datetime | None:
    """Return an instant of the address, by default in the zone of the page."""
    text = page.query.get(name)
    try:
        at = datetime.fromisoformat(text) if text else None
    except ValueError:
        wrong.append(f"{name}: “{text}” is no time such as 2026-12-01T10:30, so it was left out")
        return None
    return at.replace(tzinfo=zone_of(page)).astimezone(UTC) if at and at.tzinfo is None else at


def read_position(page: Page, default: int, wrong: list[str]) -> int:
    """Return the position before which the list begins."""
    text = page.query.get("before", "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 19):
        wrong.append(f"before: “{text}” is no position, so it was left out")
        return default
    return int(text) if text else default


def zone_of(page: Page) -> ZoneInfo:
    """Return the zone in which a page shows and reads times."""
    return page.current.zone if page.current is not None else ZoneInfo("UTC")
