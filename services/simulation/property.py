"""A property that is visited, and what it takes to act there."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Home:
    """`key` opens its widget, `token` its console: needed by HTTP only."""

    property_id: UUID
    time_zone: str
    key: str | None = None
    token: str | None = None
