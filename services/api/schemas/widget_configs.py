"""Requests and responses of a widget's configuration in the console."""

from datetime import date
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import AliasChoices, ConfigDict, Field, model_validator

from events.fields import Flag, Line, Text
from services.api.schemas import example
from services.api.schemas.schema import (
    BLANK_TO_NONE,
    Examples,
    Instant,
    RequestModel,
    ResponseModel,
    ResponseRow,
)
from services.api.schemas.widget_settings import (
    Color,
    Days,
    Minutes,
    Origins,
    TakenPlaces,
    WebAddress,
    WeekHours,
)
from services.deciders.local_time import WEEKDAYS

DAY_SECONDS = 24 * 60 * 60
_WEEK = {day: None if day == "sunday" else {"start": "09:00", "end": "18:00"} for day in WEEKDAYS}


def _with_aliases(*names: str) -> Any:
    """Return a field that also accepts the names that `WidgetResponse` uses."""
    return Field(default=None, validation_alias=AliasChoices(*names))


READ_ONLY_FIELDS = frozenset({
    "id", "property_id", "org_id", "version", "time_zone", "created_at", "updated_at",
    "propertyId", "propertyName", "timezone",
})  # fmt: skip
"""Fields that only the core sets. They are ignored, so a client may send back what it read."""


class WidgetSettingsChanges(RequestModel):
    """Settings to change. A missing setting stays unchanged; null restores its default."""

    model_config = ConfigDict(extra="forbid")

    widget_name: Annotated[Line | None, BLANK_TO_NONE] = None
    is_active: Flag | None = None
    allowed_origins: Origins | None = None
    require_email_before_chat: Flag | None = None
    collect_name: Flag | None = None
    collect_email: Flag | None = None
    collect_phone: Flag | None = None
    lead_capture_prompt: Annotated[Text | None, BLANK_TO_NONE] = None
    auto_reply_enabled: Flag | None = None
    greeting_message: Annotated[Text | None, BLANK_TO_NONE] = _with_aliases(
        "greetingMessage", "greeting_message", "welcomeMessage"
    )
    offline_message: Annotated[Text | None, BLANK_TO_NONE] = None
    auto_popup_delay_seconds: Annotated[int, Field(strict=True, ge=0, le=DAY_SECONDS)] | None = (
        _with_aliases("autoPopupDelaySeconds", "auto_popup_delay_seconds", "autoPopupDelay")
    )
    brand_color: Annotated[Color | None, BLANK_TO_NONE] = _with_aliases(
        "brandColor", "brand_color", "primaryColor"
    )
    secondary_color: Annotated[Color | None, BLANK_TO_NONE] = None
    logo_url: Annotated[WebAddress | None, BLANK_TO_NONE] = None
    business_hours: WeekHours | None = None
    holidays: Days | None = None
    tours_enabled: Flag | None = None
    tour_hours: WeekHours | None = None
    tour_duration_minutes: Annotated[Minutes, Field(ge=1)] | None = None
    tour_buffer_minutes: Minutes | None = None
    tour_capacity: Annotated[int, Field(strict=True, ge=1, le=1_000)] | None = None
    tour_blackout_dates: Days | None = None
    tour_holds_per_visitor: TakenPlaces | None = None
    tour_holds_per_network: TakenPlaces | None = None
    future_tours_per_contact: TakenPlaces | None = None
    future_tours_per_network: TakenPlaces | None = None
    tour_held_percent: Annotated[int, Field(strict=True, ge=0, le=100)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _drop_read_only(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {name: value for name, value in data.items() if name not in READ_ONLY_FIELDS}

    @property
    def changes(self) -> dict[str, Any]:
        """Return the settings in the request → their new values, in the form of the event."""
        return {
            name: value.model_dump() if isinstance(value, WeekHours) else value
            for name, value in ((name, getattr(self, name)) for name in self.model_fields_set)
        }


class WidgetConfigRequest(RequestModel):
    """A property, and the settings of its widget to change."""

    examples: ClassVar[Examples] = {
        "looks and greeting": {
            "propertyId": example.PROPERTY,
            "config": {"brandColor": "#0F766E", "greetingMessage": "Hello! Looking for a home?"},
        },
        "hours and allowed origins": {
            "propertyId": example.PROPERTY,
            "config": {
                "businessHours": _WEEK,
                "holidays": ["2036-12-25"],
                "allowedOrigins": ["https://www.alder.example"],
            },
        },
    }

    property_id: UUID
    config: WidgetSettingsChanges

    @model_validator(mode="before")
    @classmethod
    def _take_property_of_config(cls, data: Any) -> Any:
        """Take a missing property id from the configuration: a client may send back a response."""
        if not isinstance(data, dict) or "propertyId" in data or "property_id" in data:
            return data
        config = data.get("config")
        if not isinstance(config, dict) or "property_id" not in config:
            return data
        return {**data, "propertyId": config["property_id"]}


class WidgetConfigRow(ResponseRow):
    """The configuration as it is in its table, without the key. `version` counts its changes."""

    id: UUID
    property_id: UUID
    org_id: UUID
    version: int
    widget_name: str
    is_active: bool
    allowed_origins: list[str]
    require_email_before_chat: bool
    collect_name: bool
    collect_email: bool
    collect_phone: bool
    lead_capture_prompt: str | None
    auto_reply_enabled: bool
    greeting_message: str | None
    offline_message: str | None
    auto_popup_delay_seconds: int
    brand_color: str
    secondary_color: str | None
    logo_url: str | None
    business_hours: dict[str, Any] | None
    holidays: list[date]
    time_zone: str | None
    tours_enabled: bool
    tour_hours: dict[str, Any] | None
    tour_duration_minutes: int
    tour_buffer_minutes: int
    tour_capacity: int
    tour_blackout_dates: list[date]
    tour_holds_per_visitor: int
    tour_holds_per_network: int
    future_tours_per_contact: int
    future_tours_per_network: int
    tour_held_percent: int
    created_at: Instant
    updated_at: Instant


class WidgetConfigResponse(ResponseModel):
    """The configuration of a property's widget."""

    examples: ClassVar[Examples] = {
        "a widget in use": {
            "config": {
                "id": example.PROPERTY,
                "property_id": example.PROPERTY,
                "org_id": example.ORGANIZATION,
                "version": 3,
                "widget_name": "Luma",
                "is_active": True,
                "allowed_origins": ["https://www.alder.example"],
                "require_email_before_chat": False,
                "collect_name": True,
                "collect_email": True,
                "collect_phone": False,
                "lead_capture_prompt": None,
                "auto_reply_enabled": True,
                "greeting_message": "Hello! Looking for a home?",
                "offline_message": None,
                "auto_popup_delay_seconds": 0,
                "brand_color": "#0F766E",
                "secondary_color": None,
                "logo_url": None,
                "business_hours": _WEEK,
                "holidays": ["2036-12-25"],
                "time_zone": "America/Chicago",
                "tours_enabled": True,
                "tour_hours": None,
                "tour_duration_minutes": 30,
                "tour_buffer_minutes": 0,
                "tour_capacity": 1,
                "tour_blackout_dates": [],
                "tour_holds_per_visitor": 2,
                "tour_holds_per_network": 10,
                "future_tours_per_contact": 3,
                "future_tours_per_network": 20,
                "tour_held_percent": 25,
                "created_at": example.AT,
                "updated_at": example.AT,
            }
        }
    }

    config: WidgetConfigRow
