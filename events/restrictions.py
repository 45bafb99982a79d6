"""Restrictions: a person wants that its data is kept and shown, but not used.

While a lead is restricted it is not scored, not enrolled in workflows, and gets no message.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from events.event import Event, Foreign, Personal
from events.fields import Text

Reason = Annotated[
    Text, Personal("lead_id"), Field(description="Why, in words of the person in charge.")
]


class LeadRestricted(Event):
    """The use of the lead's data was restricted."""

    name: ClassVar[str] = "lead.restricted"
    stream: ClassVar[str] = "lead"
    entity: ClassVar[str] = "lead_id"
    requires: ClassVar[Mapping[str, str]] = {"lead_id": "lead"}

    lead_id: UUID
    reason: Reason
    restricted_by: Foreign | None = None


class LeadRestrictionLifted(Event):
    """The restriction of the lead ended: it is scored again and may get messages."""

    name: ClassVar[str] = "lead.restriction_lifted"
    stream: ClassVar[str] = "lead"
    entity: ClassVar[str] = "lead_id"
    requires: ClassVar[Mapping[str, str]] = {"lead_id": "lead"}

    lead_id: UUID
    reason: Reason
    lifted_by: Foreign | None = None
