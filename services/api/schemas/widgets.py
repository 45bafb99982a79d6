"""Response with the configuration that a widget loads."""

from datetime import date
from typing import ClassVar

from services.api.schemas.schema import Examples, ResponseModel


class WidgetAppearance(ResponseModel):
    """The appearance of the widget and the contact details that it asks for."""

    widget_name: str
    primary_color: str
    secondary_color: str | None
    logo_url: str | None
    welcome_message: str | None
    offline_message: str | None
    auto_popup_delay: int
    require_email_before_chat: bool
    collect_name: bool
    collect_email: bool
    collect_phone: bool
    lead_capture_prompt: str | None
    tours_enabled: bool
    property_name: str


class OpeningHours(ResponseModel):
    """Opening hours of a day. An end before the start is on the next day."""

    start: str
    end: str


class WidgetResponse(ResponseModel):
    """The configuration. `isOnline`: the property is open now, by business hours and holidays."""

    examples: ClassVar[Examples] = {
        "open now": {
            "config": {
                "widgetName": "Luma",
                "primaryColor": "#0F766E",
                "secondaryColor": None,
                "logoUrl": None,
                "welcomeMessage": "Hello! Looking for a home?",
                "offlineMessage": "Nobody is here now: leave us your address.",
                "autoPopupDelay": 0,
                "requireEmailBeforeChat": False,
                "collectName": True,
                "collectEmail": True,
                "collectPhone": False,
                "leadCapturePrompt": None,
                "toursEnabled": True,
                "propertyName": "The Alder",
            },
            "isOnline": True,
            "businessHours": {"monday": {"start": "09:00", "end": "18:00"}, "sunday": None},
            "holidays": ["2036-12-25"],
            "timezone": "America/Chicago",
        }
    }

    config: WidgetAppearance
    is_online: bool
    business_hours: dict[str, OpeningHours | None] | None
    holidays: list[date]
    timezone: str | None
