"""Widgets: the settings and the widget keys of a property's LumaLeasing widget."""

from collections.abc import Mapping
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from events.event import ChangeEvent, Event, Foreign
from events.fields import Count, Day, Flag, Instant, Json, Line, Number, Text, Word


class WidgetConfigured(ChangeEvent):
    """Settings of the widget were changed: an absent field is unchanged."""

    name: ClassVar[str] = "widget.configured"
    begins: ClassVar[bool] = True
    requires: ClassVar[Mapping[str, str]] = {"property_id": "property"}
    stream: ClassVar[str] = "widget"
    entity: ClassVar[str] = "property_id"
    unchanging: ClassVar[frozenset[str]] = frozenset({"property_id", "configured_by"})

    property_id: UUID
    configured_by: Foreign | None = None
    widget_name: Line | None = None
    is_active: Flag | None = None
    allowed_origins: Annotated[tuple[Line, ...], Field(max_length=100)] | None = None
    require_email_before_chat: Flag | None = None
    collect_name: Flag | None = None
    collect_email: Flag | None = None
    collect_phone: Flag | None = None
    lead_capture_prompt: Text | None = None
    auto_reply_enabled: Flag | None = None
    greeting_message: Text | None = None
    offline_message: Text | None = None
    auto_popup_delay_seconds: Count | None = None
    brand_color: Word | None = None
    secondary_color: Word | None = None
    logo_url: Text | None = None
    business_hours: Json | None = None
    holidays: Annotated[tuple[Day, ...], Field(max_length=400)] | None = None
    tours_enabled: Flag | None = None
    tour_hours: Json | None = None
    tour_duration_minutes: Number | None = None
    tour_buffer_minutes: Count | None = None
    tour_capacity: Number | None = None
    tour_blackout_dates: Annotated[tuple[Day, ...], Field(max_length=400)] | None = None


class WidgetKeyIssued(Event):
    """A widget key was issued; only its hash is stored."""

    name: ClassVar[str] = "widget.key_issued"
    begins: ClassVar[bool] = True
    requires: ClassVar[Mapping[str, str]] = {"property_id": "property"}
    stream: ClassVar[str] = "widget"
    entity: ClassVar[str] = "property_id"

    property_id: UUID
    key_id: Foreign
    key_hash: Line
    previous_valid_until: Annotated[
        Instant | None,
        Field(description="End of the overlap: until then the previous key works."),
    ] = None
    issued_by: Foreign | None = None


class WidgetKeyRevoked(Event):
    """A widget key was revoked and does not work any more."""

    name: ClassVar[str] = "widget.key_revoked"
    requires: ClassVar[Mapping[str, str]] = {"property_id": "widget"}
    stream: ClassVar[str] = "widget"
    entity: ClassVar[str] = "property_id"

    property_id: UUID
    key_id: Foreign
    reason: Text | None = None
    revoked_by: Foreign | None = None
