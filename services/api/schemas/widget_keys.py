"""Request and response of widget keys."""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from services.api.schemas import example
from services.api.schemas.schema import Examples, Instant, RequestModel, ResponseModel

MAX_OVERLAP_HOURS = 24 * 30


class WidgetKeyRequest(RequestModel):
    """The property whose widget gets a new key, and how long the previous key stays valid."""

    examples: ClassVar[Examples] = {
        "a day to change over": {"propertyId": example.PROPERTY},
        "the old key may have leaked": {
            "propertyId": example.PROPERTY,
            "overlapHours": 0.25,
        },
    }

    property_id: UUID
    overlap_hours: Annotated[float, Field(ge=0, le=MAX_OVERLAP_HOURS, allow_inf_nan=False)] = 24


class WidgetKeyResponse(ResponseModel):
    """The new key, which is shown once, and the end of the previous key's validity."""

    examples: ClassVar[Examples] = {
        "a day to change over": {
            "apiKey": "lk_0a1b2c3d4e5f6a7b8c9d0a1b2c3d4e5f6a7b8c9d0e1",
            "previousValidUntil": example.AT,
        }
    }

    api_key: str
    previous_valid_until: Instant | None
