"""Response with a message template and all its versions."""

from typing import ClassVar
from uuid import UUID

from services.api.schemas import example
from services.api.schemas.schema import Examples, Instant, ResponseModel, ResponseRow
from services.api.schemas.templates import TEMPLATE_EXAMPLE, TemplateRow


class TemplateVersion(ResponseRow):
    """A version of a template, with who saved it, and why."""

    version: int
    name: str
    subject: str | None
    body: str
    is_active: bool
    changed_at: Instant
    changed_by: UUID | None
    change_reason: str | None


class TemplateVersionsResponse(ResponseModel):
    """A template with its newest versions, newest first, at most 100."""

    examples: ClassVar[Examples] = {
        "a text": {
            "template": TEMPLATE_EXAMPLE,
            "versions": [
                {
                    "version": 1,
                    "name": "Spring hello",
                    "subject": None,
                    "body": "Hi {{first_name}}, this is {{property_name}}.",
                    "is_active": True,
                    "changed_at": example.AT,
                    "changed_by": example.AGENT,
                    "change_reason": None,
                }
            ],
        }
    }

    template: TemplateRow
    versions: list[TemplateVersion]
