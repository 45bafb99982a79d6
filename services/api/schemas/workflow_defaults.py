"""Request and response of the default workflows and templates."""

from typing import ClassVar, Literal
from uuid import UUID

from services.api.schemas import example
from services.api.schemas.schema import Examples, RequestModel, ResponseModel


class SeedRequest(RequestModel):
    """The property that gets the default workflows and templates."""

    examples: ClassVar[Examples] = {"a property": {"propertyId": example.PROPERTY}}

    property_id: UUID


class SeedResponse(ResponseModel):
    """The numbers of new definitions and templates; 0 when the request is repeated."""

    examples: ClassVar[Examples] = {
        "the first time": {"success": True, "definitionsCreated": 3, "templatesCreated": 13},
        "again": {"success": True, "definitionsCreated": 0, "templatesCreated": 0},
    }

    success: Literal[True]
    definitions_created: int
    templates_created: int
