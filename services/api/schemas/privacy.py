"""Requests and responses of data protection: restrictions, corrections and exports."""

from typing import Any, ClassVar
from uuid import UUID

from pydantic import ConfigDict, Field

from events.fields import Text
from services.api.schemas import example
from services.api.schemas.leads import LeadDetailChanges, LeadResponse, LeadRow
from services.api.schemas.schema import Examples, Instant, RequestModel, ResponseModel

_ROW = LeadResponse.examples["a walk-in"]["lead"]


class RestrictionRequest(RequestModel):
    """The reason why the use of the data is restricted, or allowed again."""

    examples: ClassVar[Examples] = {"a dispute": {"reason": "She disputes the phone number."}}

    reason: Text = Field(min_length=1)


class RestrictionResponse(ResponseModel):
    """The surviving lead; `restricted_at` says whether the use of its data is restricted."""

    examples: ClassVar[Examples] = {
        "restricted": {"lead": {**_ROW, "restricted_at": example.AT}},
        "lifted": {"lead": _ROW},
    }

    lead: LeadRow


class RectificationRequest(LeadDetailChanges):
    """The right values of wrong details, and the reason. Null or a blank text clears a detail."""

    examples: ClassVar[Examples] = {
        "a misspelled name": {"lastName": "Hopper", "reason": "She says that it was misspelled."}
    }
    addressing: ClassVar[frozenset[str]] = frozenset({"reason"})

    reason: Text = Field(min_length=1)


class PersonExport(ResponseModel):
    """All rows of a person by table, from one snapshot of the tables, the oldest first.

    `lead_ids` are the surviving lead `lead_id` and all leads that were merged into it. A row of
    `lead_scores` or `deliveries` says in `in_words` what its codes mean. `records` are in no table:
    `sent_messages` with their texts, and the `dead_letters` and `pending_records` of the intake.
    """

    examples: ClassVar[Examples] = {
        "a new lead": {
            "lead_id": example.LEAD,
            "lead_ids": [example.LEAD],
            "exported_at": example.AT,
            "tables": {"leads": [_ROW], "tours": []},
            "records": {"sent_messages": [], "dead_letters": [], "pending_records": []},
        }
    }
    model_config = ConfigDict(alias_generator=None)

    lead_id: UUID
    lead_ids: list[UUID]
    exported_at: Instant
    tables: dict[str, list[dict[str, Any]]]
    records: dict[str, list[dict[str, Any]]]
