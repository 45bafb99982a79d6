"""The shapes of merging leads."""

from typing import Annotated, ClassVar, TypeAlias
from uuid import UUID

from fastapi import Path

from events.fields import Text, Word
from services.api.schemas import example
from services.api.schemas.leads import LeadEntered, LeadRow
from services.api.schemas.schema import Answered, Examples, Sent

_ROW = LeadEntered.examples["a walk-in"]["lead"]
_LOSER = {**_ROW, "id": example.OTHER_LEAD, "email": None, "phone": "+12125550100"}


LoserId: TypeAlias = Annotated[UUID, Path(examples=[example.OTHER_LEAD])]


class MergeSent(Sent):
    """Into which lead of the same property: the one that is kept. `reason` is a short label."""

    examples: ClassVar[Examples] = {
        "the same person": {"intoLeadId": example.LEAD, "reason": "same_person"}
    }

    into_lead_id: UUID
    reason: Word | None = None


class UnmergeSent(Sent):
    """Why it was a mistake, in words."""

    examples: ClassVar[Examples] = {"father and son": {"reason": "father and son"}}
    may_be_absent: ClassVar[bool] = True

    reason: Text | None = None


class Merged(Answered):
    """The lead both are known by from now on, and the one that points to it."""

    examples: ClassVar[Examples] = {
        "merged": {"lead": _ROW, "merged": {**_LOSER, "merged_into": example.LEAD}}
    }

    lead: LeadRow
    merged: LeadRow


class Unmerged(Answered):
    """The lead both were known by, and the one that stands for itself again."""

    examples: ClassVar[Examples] = {"unmerged": {"lead": _ROW, "unmerged": _LOSER}}

    lead: LeadRow
    unmerged: LeadRow
