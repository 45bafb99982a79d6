"""Reference data of the host: organisations, properties and profiles of their employees.

Database triggers stage these events after each change of a row, so the fields accept everything
that the host's columns allow. If `deleted` is true, the row was deleted and the other fields have
its last values. The column `name` is `display_name` here, because `name` is the event's name.
"""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from events.event import Event, Personal
from events.fields import Flag, HostText, Json, NotPersonal

_OF_COMPANY = NotPersonal("Describes a company or an apartment community, not a person.")


class OrganizationRecorded(Event):
    """The row of an organisation was created, changed or deleted."""

    name: ClassVar[str] = "organization.recorded"
    stream: ClassVar[str] = "organization"
    entity: ClassVar[str] = "organization_id"
    begins: ClassVar[bool] = True

    organization_id: UUID
    display_name: Annotated[HostText | None, _OF_COMPANY] = None
    subscription_tier: Annotated[HostText | None, _OF_COMPANY] = None
    settings: Annotated[Json | None, _OF_COMPANY] = None
    deleted: Flag = False


class PropertyRecorded(Event):
    """The row of a property was created, changed or deleted; `settings` has its `timezone`."""

    name: ClassVar[str] = "property.recorded"
    stream: ClassVar[str] = "property"
    entity: ClassVar[str] = "property_id"
    begins: ClassVar[bool] = True

    property_id: UUID
    display_name: Annotated[HostText | None, _OF_COMPANY] = None
    address: Annotated[Json | None, _OF_COMPANY] = None
    settings: Annotated[Json | None, _OF_COMPANY] = None
    deleted: Flag = False


class ProfileRecorded(Event):
    """The row of a profile was created, changed or deleted."""

    name: ClassVar[str] = "profile.recorded"
    stream: ClassVar[str] = "profile"
    entity: ClassVar[str] = "profile_id"
    begins: ClassVar[bool] = True

    profile_id: UUID
    role: Annotated[
        HostText | None,
        NotPersonal("One of a few roles, on which permissions depend."),
        Field(description="Role in the host: admin, manager or viewer."),
    ] = None
    full_name: Annotated[HostText | None, Personal("profile_id")] = None
    preferences: Annotated[Json | None, Personal("profile_id")] = None
    deleted: Flag = False
