"""Request and response of slot holds."""

from typing import ClassVar, Literal
from uuid import UUID

from services.api.schemas import example
from services.api.schemas.schema import (
    Examples,
    Instant,
    OptionalId,
    RequestModel,
    ResponseModel,
)


class SlotHoldRequest(RequestModel):
    """A slot to hold while the visitor fills in a form."""

    examples: ClassVar[Examples] = {
        "a slot": {"slotId": example.FREE_SLOT, "sessionId": example.SESSION}
    }

    slot_id: UUID
    session_id: OptionalId = None


class SlotHold(ResponseModel):
    """A hold with its slot and its end."""

    id: UUID
    slot_id: UUID
    expires_at: Instant


class SlotHoldResponse(ResponseModel):
    """The hold of this visitor. The same request again returns the same hold."""

    examples: ClassVar[Examples] = {
        "a hold": {
            "success": True,
            "hold": {"id": example.ROW, "slotId": example.FREE_SLOT, "expiresAt": example.AT},
        }
    }

    success: Literal[True]
    hold: SlotHold
