"""The LumaLeasing widget of a property: its settings and its keys."""

from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import Field

from events.event import Event, Foreign
from events.fields import Count, Day, Flag, Instant, Json, Line, Number, Text, Word


class WidgetConfigured(Event):
    """Settings of the widget were changed: a field that is absent stays as it was."""

    name: ClassVar[str] = "widget.configured"
    stream: ClassVar[str] = "widget"
    entity: ClassVar[str] = "property_id"

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

    @property
    def changes(self) -> dict[str, Any]:
        """Setting → its new value, for what was changed only."""
        changed = self.model_fields_set - {"property_id", "configured_by"}
        return {setting: getattr(self, setting) for setting in sorted(changed)}


class WidgetKeyIssued(Event):
    """The widget has a new key; only its hash is kept. Older keys work until the overlap ends."""

    name: ClassVar[str] = "widget.key_issued"
    stream: ClassVar[str] = "widget"
    entity: ClassVar[str] = "property_id"

    property_id: UUID
    key_id: Foreign
    key_hash: Line
    previous_valid_until: Instant | None = None
    issued_by: Foreign | None = None


class WidgetKeyRevoked(Event):
    """A key stopped working at once."""

    name: ClassVar[str] = "widget.key_revoked"
    stream: ClassVar[str] = "widget"
    entity: ClassVar[str] = "property_id"

    property_id: UUID
    key_id: Foreign
    reason: Text | None = None
    revoked_by: Foreign | None = None
