"""Requests and responses of merging leads and of undoing a merge."""

from typing import Annotated, ClassVar, TypeAlias
from uuid import UUID

from fastapi import Path

from events.fields import Text, Word
from services.api.schemas import example
from services.api.schemas.leads import LeadResponse, LeadRow
from services.api.schemas.schema import Examples, RequestModel, ResponseModel

_ROW = LeadResponse.examples["a walk-in"]["lead"]
_LOSER = {**_ROW, "id": example.OTHER_LEAD, "email": None, "phone": "+12125550100"}


LoserId: TypeAlias = Annotated[UUID, Path(examples=[example.OTHER_LEAD])]


class MergeRequest(RequestModel):
    """The lead of the same property that becomes the winner. `reason` is a short label."""

    examples: ClassVar[Examples] = {
        "the same person": {"intoLeadId": example.LEAD, "reason": "same_person"}
    }

    into_lead_id: UUID
    reason: Word | None = None


class UnmergeRequest(RequestModel):
    """The reason why the merge was a mistake, as text."""

    examples: ClassVar[Examples] = {"father and son": {"reason": "father and son"}}
    may_be_absent: ClassVar[bool] = True

    reason: Text | None = None


class MergeResponse(ResponseModel):
    """The winner, and the merged lead that refers to it."""

    examples: ClassVar[Examples] = {
        "merged": {"lead": _ROW, "merged": {**_LOSER, "merged_into": example.LEAD}}
    }

    lead: LeadRow
    merged: LeadRow


class UnmergeResponse(ResponseModel):
    """The former winner, and the lead that is separate again."""

    examples: ClassVar[Examples] = {"unmerged": {"lead": _ROW, "unmerged": _LOSER}}

    lead: LeadRow
    unmerged: LeadRow
