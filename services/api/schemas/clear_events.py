"""Responses of events with their personal values in clear."""

from typing import Any, ClassVar
from uuid import UUID

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from services.api.schemas import example
from services.api.schemas.schema import Examples, Instant, ResponseModel, ResponseRow

_CAPTURED = {
    "specversion": "1.0",
    "id": example.EVENT,
    "type": "lead.captured",
    "source": f"/crm/{example.ROW}",
    "subject": f"lead/{example.LEAD}",
    "time": example.AT,
    "datacontenttype": "application/json",
    "generation": 1,
    "shard": 12,
    "position": "4711",
    "previous": "4702",
    "entitytype": "lead",
    "entityid": example.LEAD,
    "entityversion": 1,
    "schemaversion": 1,
    "orgid": example.ORGANIZATION,
    "recordedat": example.AT,
    "actor": "visitor",
    "origin": "live",
    "propertyid": example.PROPERTY,
    "leadid": example.LEAD,
    "erased": False,
    "data": {"lead_id": example.LEAD, "source": "Google", "first_name": "Ada"},
}
_ERASED = {
    **_CAPTURED,
    "erased": True,
    "data": {"lead_id": example.LEAD, "source": "Google", "first_name": None},
}


class ClearEventDocument(ResponseRow):
    """A CloudEvent as on the topic of events, but with all values of `data` in clear.

    `data` has the current version of its schema. `erased`: the person was erased, and the personal
    fields have erased values (null, `{}` or `[erased]`). For an event that this build cannot read,
    `data` is null and `unreadable` says why.
    """

    specversion: str
    id: UUID
    type: str
    source: str
    subject: str
    time: Instant
    datacontenttype: str
    generation: int
    shard: int
    position: str
    previous: str
    entitytype: str
    entityid: UUID
    entityversion: int
    schemaversion: int
    orgid: UUID
    recordedat: Instant
    actor: str
    origin: str
    propertyid: UUID | SkipJsonSchema[None] = None
    leadid: UUID | SkipJsonSchema[None] = None
    correlationid: UUID | SkipJsonSchema[None] = None
    causationid: UUID | SkipJsonSchema[None] = None
    erased: bool
    data: dict[str, Any] | None
    unreadable: str | SkipJsonSchema[None] = None


class ClearEventResponse(ResponseModel):
    """One event."""

    examples: ClassVar[Examples] = {
        "a new lead": {"event": _CAPTURED},
        "an erased person": {"event": _ERASED},
    }

    event: ClearEventDocument


class ClearEventListResponse(ResponseModel):
    """Events by position, and where to continue.

    Send `next` as `after` of the next request. It is also set if no event was found. With `hasMore`
    there are more events now; otherwise wait before the next request. In another `generation` than
    before the log was restored: begin again without `after`.
    """

    examples: ClassVar[Examples] = {
        "a page": {"events": [_CAPTURED], "next": "4711", "hasMore": True, "generation": 1},
        "nothing new": {"events": [], "next": "4711", "hasMore": False, "generation": 1},
    }

    events: list[ClearEventDocument]
    next: str = Field(description="A position, as a decimal string.")
    has_more: bool
    generation: int
