"""Response with a template as a lead would get it."""

from typing import ClassVar
from uuid import UUID

from events.workflows import MessageChannel
from services.api.schemas import example
from services.api.schemas.schema import Examples, ResponseModel


class TemplatePreviewResponse(ResponseModel):
    """The message with the lead's values, and the variables that have none.

    Variables in `missing` stay as they are written. With one of them the message is not sent.
    """

    examples: ClassVar[Examples] = {
        "a value is missing": {
            "templateId": example.TEMPLATE,
            "leadId": example.LEAD,
            "channel": "sms",
            "version": 1,
            "subject": None,
            "body": "Hi Ada, your tour is on {{tour_date}}.",
            "values": {"first_name": "Ada"},
            "missing": ["tour_date"],
        }
    }

    template_id: UUID
    lead_id: UUID
    channel: MessageChannel
    version: int
    subject: str | None
    body: str
    values: dict[str, str]
    missing: list[str]
