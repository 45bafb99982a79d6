"""The scope of the commands of one transaction."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from events.record import Cause


@dataclass(frozen=True, slots=True)
class Scope:
    """The organisation, property, time and cause of all commands of one transaction.

    A scope `of_organization` has no property: its events belong to the organisation, and
    `property_id`, the ordering key, is the organisation's id.
    """

    org_id: UUID
    property_id: UUID
    at: datetime
    cause: Cause
    is_of_organization: bool = False

    @classmethod
    def of_organization(cls, org_id: UUID, at: datetime, cause: Cause) -> Self:
        """Return the scope of commands that concern the whole organisation."""
        return cls(org_id, org_id, at, cause, is_of_organization=True)

    @property
    def event_property_id(self) -> UUID | None:
        """Return the property of the scope's events; None for those of the organisation."""
        return None if self.is_of_organization else self.property_id
