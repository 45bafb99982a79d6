"""Requests and responses of erasures."""

from typing import Any, ClassVar
from uuid import UUID

from pydantic import ConfigDict, Field

from events.fields import Text
from services.api.schemas import example
from services.api.schemas.schema import Examples, Instant, RequestModel, ResponseModel
from services.privacy.erasures import ErasureState

_ERASURE = {
    "leadId": example.LEAD, "state": "completed", "erasedAt": example.AT, "subjects": 3,
    "keysLeft": 0,
}  # fmt: skip
_PLACE = {"place": "public.leads", "rows": 1, "readable": 0, "changed": []}
_CERTIFICATE = {
    "document": "certificate of erasure", "issued_at": example.AT, "org_id": example.PROPERTY,
    "property_ids": [example.PROPERTY], "lead_ids": [example.LEAD], "subject_ids": [example.LEAD],
    "erasures": [{"lead_id": example.LEAD, "reason": "request of 2026-11-20"}],
    "destroyed": [{"lead_id": example.LEAD, "keys": 1, "rows": {}}], "looked_at": [_PLACE],
    "is_unreadable": True, "remains": ["tables in backups of the database until these expire"],
    "signature": {"algorithm": "Ed25519", "public_key": "…", "value": "…"},
}  # fmt: skip
_TABLE = {"table": "public.leads", "rows": 1, "readable": 0}


class ErasureRequest(RequestModel):
    """The reason of an erasure, kept as evidence: without personal data."""

    examples: ClassVar[Examples] = {"a request": {"reason": "request of 2026-11-20"}}

    reason: Text = Field(min_length=1)


class ErasureStatus(ResponseModel):
    """The state of the erasure of one lead of the person.

    `state` is `appended`, then `folded` when all tables contain it, then `completed` when the keys
    are destroyed. `keysLeft` is the number of keys that are not destroyed.
    """

    examples: ClassVar[Examples] = {"a completed erasure": _ERASURE}

    lead_id: UUID
    state: ErasureState
    erased_at: Instant
    subjects: int
    keys_left: int


class TableCount(ResponseModel):
    """The rows of a person in a table; `readable` of them have personal values."""

    examples: ClassVar[Examples] = {"a table": _TABLE}

    table: str
    rows: int
    readable: int


class ErasureResponse(ResponseModel):
    """The erasures of the person by lead, and the rows of the person by table.

    Before an erasure, `erasures` is empty and `tables` shows what will go.
    """

    examples: ClassVar[Examples] = {
        "before": {"erasures": [], "tables": [{**_TABLE, "readable": 1}]},
        "after": {"erasures": [_ERASURE], "tables": [_TABLE]},
    }

    erasures: list[ErasureStatus]
    tables: list[TableCount]


class ErasureAccepted(ResponseModel):
    """The leads of the person that were erased. Workers complete the erasure soon."""

    examples: ClassVar[Examples] = {"one lead": {"leadIds": [example.LEAD], "state": "appended"}}

    lead_ids: list[UUID]
    state: ErasureState


class InspectedRows(ResponseModel):
    """A place that was looked at; `readable` of its rows about the person have personal values.

    `changed` are events whose stored payload was changed, so that nobody can say what is in it.
    """

    examples: ClassVar[Examples] = {"a place": _PLACE}

    place: str
    rows: int
    readable: int
    changed: list[UUID]


class ErasureCertificate(ResponseModel):
    """A signed document about the erasure of a person.

    The signature (Ed25519) is over the JSON of all other members, with sorted names and no spaces.
    """

    examples: ClassVar[Examples] = {"a certificate": _CERTIFICATE}
    model_config = ConfigDict(alias_generator=None)

    document: str
    issued_at: Instant
    org_id: UUID
    property_ids: list[UUID]
    lead_ids: list[UUID]
    subject_ids: list[UUID]
    erasures: list[dict[str, Any]]
    destroyed: list[dict[str, Any]]
    looked_at: list[InspectedRows]
    is_unreadable: bool
    remains: list[str]
    signature: dict[str, str]
