"""The shape of what a widget is told when it is shown."""

from datetime import date
from typing import ClassVar

from services.api.schemas.schema import Answered, Examples


class WidgetLooks(Answered):
    """How the widget looks and what it asks for."""

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


class ShownHours(Answered):
    """From when to when on a day; an end before its start is the next day's."""

    start: str
    end: str


class WidgetShown(Answered):
    """The configuration; `isOnline` says whether somebody is there now, by hours and holidays."""

    examples: ClassVar[Examples] = {
        "somebody is there": {
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

    config: WidgetLooks
    is_online: bool
    business_hours: dict[str, ShownHours | None] | None
    holidays: list[date]
    timezone: str | None
