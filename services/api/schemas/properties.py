"""Responses of properties."""

from typing import ClassVar
from uuid import UUID

from services.api.schemas import example
from services.api.schemas.schema import Examples, ResponseModel, ResponseRow


class PropertyRow(ResponseRow):
    """A property as the host has it."""

    id: UUID
    name: str
    time_zone: str | None


class PropertyListResponse(ResponseModel):
    """All properties of the organisation, by name."""

    examples: ClassVar[Examples] = {
        "one": {
            "properties": [
                {"id": example.PROPERTY, "name": "Maple House", "time_zone": "America/Chicago"}
            ]
        }
    }

    properties: list[PropertyRow]
