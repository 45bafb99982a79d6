"""Request and response of the days on which a property offers no tours."""

from typing import ClassVar, Self
from uuid import UUID

from pydantic import Field, model_validator

from services.api.schemas import example
from services.api.schemas.schema import Examples, IsoDay, RequestModel, ResponseModel
from services.api.schemas.widget_settings import Days
from services.deciders.widgets import ClosedDayKind


class ClosedDaysRequest(RequestModel):
    """Days to add and to remove. All other days stay, also those that another user adds."""

    examples: ClassVar[Examples] = {
        "a day more": {"propertyId": example.PROPERTY, "kind": "blackout", "add": ["2036-12-27"]},
        "another day": {
            "propertyId": example.PROPERTY,
            "kind": "holiday",
            "add": ["2036-12-26"],
            "remove": ["2036-12-27"],
        },
    }

    property_id: UUID
    kind: ClosedDayKind
    add: Days = Field(default=[])
    remove: Days = Field(default=[])

    @model_validator(mode="after")
    def _require_days(self) -> Self:
        if not self.add and not self.remove:
            raise ValueError("there is no day to add and none to remove: send at least one")
        if both := {*self.add} & {*self.remove}:
            raise ValueError(f"{min(both)} is to be added and removed: send it once")
        return self


class ClosedDaysResponse(ResponseModel):
    """All days of this kind after the change."""

    examples: ClassVar[Examples] = {"a day more": {"kind": "blackout", "days": ["2036-12-27"]}}

    kind: ClosedDayKind
    days: list[IsoDay]
