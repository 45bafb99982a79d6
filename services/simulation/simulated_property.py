"""A property that simulated visitors visit, with the credentials for it."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class SimulatedProperty:
    """A property with its widget key and console token; only HTTP needs these two."""

    property_id: UUID
    time_zone: str
    key: str | None = None
    token: str | None = None
