"""Widgets: the settings and the widget keys of a property's LumaLeasing widget."""

from collections.abc import Mapping
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from events.event import ChangeEvent, Event, Foreign
from events.fields import Count, Day, Flag, Instant, Json, Line, NotPersonal, Number, Text, Word

CHAT_SOURCE = "LumaLeasing Widget"
TOUR_SOURCE = "LumaLeasing Tour Booking"
"""The sources of leads that the widget captures: by chat or form, and by the booking of a tour."""

_SETTING = NotPersonal("A setting of the widget, the same for all visitors.")


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
    widget_name: Annotated[Line | None, _SETTING] = None
    is_active: Flag | None = None
    allowed_origins: Annotated[tuple[Line, ...], _SETTING, Field(max_length=100)] | None = None
    require_email_before_chat: Flag | None = None
    collect_name: Flag | None = None
    collect_email: Flag | None = None
    collect_phone: Flag | None = None
    lead_capture_prompt: Annotated[Text | None, _SETTING] = None
    auto_reply_enabled: Flag | None = None
    greeting_message: Annotated[Text | None, _SETTING] = None
    offline_message: Annotated[Text | None, _SETTING] = None
    auto_popup_delay_seconds: Count | None = None
    brand_color: Annotated[Word | None, _SETTING] = None
    secondary_color: Annotated[Word | None, _SETTING] = None
    logo_url: Annotated[Text | None, _SETTING] = None
    business_hours: Annotated[Json | None, _SETTING] = None
    holidays: Annotated[tuple[Day, ...], Field(max_length=400)] | None = None
    tours_enabled: Flag | None = None
    tour_hours: Annotated[Json | None, _SETTING] = None
    tour_duration_minutes: Number | None = None
    tour_buffer_minutes: Count | None = None
    tour_capacity: Number | None = None
    tour_blackout_dates: Annotated[tuple[Day, ...], Field(max_length=400)] | None = None
    tour_holds_per_visitor: Annotated[
        Count | None,
        Field(description="Slot holds that a visitor or a session can have at the same time."),
    ] = None
    tour_holds_per_network: Annotated[
        Count | None,
        Field(description="Slot holds that the visitors of one network can have together."),
    ] = None
    future_tours_per_contact: Annotated[
        Count | None,
        Field(description="Tours in the future that a lead gets without an agent's help."),
    ] = None
    future_tours_per_network: Annotated[
        Count | None,
        Field(description="Tours in the future that the visitors of one network can book."),
    ] = None
    tour_held_percent: Annotated[
        Count | None,
        Field(description="Percentage of the offered places that can be held at the same time."),
    ] = None


class WidgetKeyIssued(Event):
    """A widget key was issued; only its hash is stored."""

    name: ClassVar[str] = "widget.key_issued"
    begins: ClassVar[bool] = True
    requires: ClassVar[Mapping[str, str]] = {"property_id": "property"}
    stream: ClassVar[str] = "widget"
    entity: ClassVar[str] = "property_id"

    property_id: UUID
    key_id: Foreign
    key_hash: Annotated[Line, NotPersonal("The hash of a random key of a web site.")]
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
    reason: Annotated[Text | None, NotPersonal("Describes a key of a web site.")] = None
    revoked_by: Foreign | None = None
