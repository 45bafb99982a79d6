"""Reference data of the host: organisations, properties and the people who work for them.

Triggers append these in SQL after each change of a row, so they take what the host's columns
allow; `deleted` says the row is gone, the other fields are then what it last held. The column
`name` is `display_name` here, because `name` is the event's own.
"""

from typing import Annotated, ClassVar
from uuid import UUID

from events.event import Event, Personal
from events.fields import Flag, HostText, Json


class OrganizationRecorded(Event):
    """An organisation's row as it is after a change."""

    name: ClassVar[str] = "organization.recorded"
    stream: ClassVar[str] = "organization"
    entity: ClassVar[str] = "organization_id"

    organization_id: UUID
    display_name: HostText | None = None
    subscription_tier: HostText | None = None
    settings: Json | None = None
    deleted: Flag = False


class PropertyRecorded(Event):
    """A property's row as it is after a change; `settings` holds its `timezone`."""

    name: ClassVar[str] = "property.recorded"
    stream: ClassVar[str] = "property"
    entity: ClassVar[str] = "property_id"

    property_id: UUID
    display_name: HostText | None = None
    address: Json | None = None
    settings: Json | None = None
    deleted: Flag = False


class ProfileRecorded(Event):
    """A person's row as it is after a change; `role` is the host's: admin, manager, viewer."""

    name: ClassVar[str] = "profile.recorded"
    stream: ClassVar[str] = "profile"
    entity: ClassVar[str] = "profile_id"

    profile_id: UUID
    role: HostText | None = None
    full_name: Annotated[HostText | None, Personal("profile_id")] = None
    preferences: Json | None = None
    deleted: Flag = False
