"""The shapes of a widget's configuration and key, as admins of its organisation handle them."""

from datetime import date
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import AliasChoices, ConfigDict, Field, model_validator

from events.fields import Flag, Line, Text
from services.api.schemas import example
from services.api.schemas.schema import (
    BLANK_IS_NONE,
    Answered,
    AnsweredRow,
    Examples,
    Instant,
    Sent,
)
from services.api.schemas.widget_settings import (
    Color,
    Days,
    Minutes,
    Origins,
    WebAddress,
    WeekHours,
)
from services.deciders.business_hours import WEEKDAYS

LONGEST_OVERLAP_HOURS = 24 * 30
DAY_SECONDS = 24 * 60 * 60
_WEEK = {day: None if day == "sunday" else {"start": "09:00", "end": "18:00"} for day in WEEKDAYS}


def _named(*names: str) -> Any:
    """A setting that the widget's own answer calls by another name."""
    return Field(default=None, validation_alias=AliasChoices(*names))


OURS = frozenset(
    {"id", "property_id", "org_id", "version", "time_zone", "created_at", "updated_at"}
)
"""What only the core sets: a client that sends back what it was shown does no harm with it."""


class WidgetChanges(Sent):
    """Settings to change: what is left out stays, null makes it as if never set."""

    model_config = ConfigDict(extra="forbid")

    widget_name: Annotated[Line | None, BLANK_IS_NONE] = None
    is_active: Flag | None = None
    allowed_origins: Origins | None = None
    require_email_before_chat: Flag | None = None
    collect_name: Flag | None = None
    collect_email: Flag | None = None
    collect_phone: Flag | None = None
    lead_capture_prompt: Annotated[Text | None, BLANK_IS_NONE] = None
    auto_reply_enabled: Flag | None = None
    greeting_message: Annotated[Text | None, BLANK_IS_NONE] = _named(
        "greetingMessage", "greeting_message", "welcomeMessage"
    )
    offline_message: Annotated[Text | None, BLANK_IS_NONE] = None
    auto_popup_delay_seconds: Annotated[int, Field(strict=True, ge=0, le=DAY_SECONDS)] | None = (
        _named("autoPopupDelaySeconds", "auto_popup_delay_seconds", "autoPopupDelay")
    )
    brand_color: Annotated[Color | None, BLANK_IS_NONE] = _named(
        "brandColor", "brand_color", "primaryColor"
    )
    secondary_color: Annotated[Color | None, BLANK_IS_NONE] = None
    logo_url: Annotated[WebAddress | None, BLANK_IS_NONE] = None
    business_hours: WeekHours | None = None
    holidays: Days | None = None
    tours_enabled: Flag | None = None
    tour_hours: WeekHours | None = None
    tour_duration_minutes: Annotated[Minutes, Field(ge=1)] | None = None
    tour_buffer_minutes: Minutes | None = None
    tour_capacity: Annotated[int, Field(strict=True, ge=1, le=1_000)] | None = None
    tour_blackout_dates: Days | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_ours(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {name: value for name, value in data.items() if name not in OURS}

    @property
    def changes(self) -> dict[str, Any]:
        """Setting → its new value, as the event says it, for what was sent only."""
        return {
            name: value.model_dump() if isinstance(value, WeekHours) else value
            for name, value in ((name, getattr(self, name)) for name in self.model_fields_set)
        }


class WidgetConfigSent(Sent):
    """A property, and what is to change of its widget."""

    examples: ClassVar[Examples] = {
        "looks and greeting": {
            "propertyId": example.PROPERTY,
            "config": {"brandColor": "#0F766E", "greetingMessage": "Hello! Looking for a home?"},
        },
        "when somebody is there, and where it may be shown": {
            "propertyId": example.PROPERTY,
            "config": {
                "businessHours": _WEEK,
                "holidays": ["2036-12-25"],
                "allowedOrigins": ["https://www.alder.example"],
            },
        },
    }

    property_id: UUID
    config: WidgetChanges


class WidgetConfigRow(AnsweredRow):
    """The configuration as it is in its table, without the key; `version` grows as it changes."""

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
    created_at: Instant
    updated_at: Instant


class WidgetConfigHeld(Answered):
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
                "created_at": example.AT,
                "updated_at": example.AT,
            }
        }
    }

    config: WidgetConfigRow


class KeyWanted(Sent):
    """Whose widget gets a new key, and how long the one before it still works."""

    examples: ClassVar[Examples] = {
        "a day to change over": {"propertyId": example.PROPERTY},
        "the old key may be known to somebody": {
            "propertyId": example.PROPERTY,
            "overlapHours": 0.25,
        },
    }

    property_id: UUID
    overlap_hours: Annotated[float, Field(ge=0, le=LONGEST_OVERLAP_HOURS, allow_inf_nan=False)] = 24


class KeyIssued(Answered):
    """The new key, shown this once; until when the one before it works, where there is one."""

    examples: ClassVar[Examples] = {
        "a day to change over": {
            "apiKey": "lk_0a1b2c3d4e5f6a7b8c9d0a1b2c3d4e5f6a7b8c9d0e1",
            "previousValidUntil": example.AT,
        }
    }

    api_key: str
    previous_valid_until: Instant | None
