"""The details of a lead in requests of the console."""

from datetime import date
from typing import Annotated, Any

from pydantic import AliasChoices, Field, StringConstraints, model_validator
from pydantic.json_schema import WithJsonSchema

from events.fields import Body, Line
from services.api.schemas.schema import RequestModel, drop_blank_fields
from services.deciders.contacts import normalize_email, normalize_phone
from services.deciders.dates import require_day
from services.deciders.leads import Details
from services.deciders.names import normalize_name
from services.host import HostProperty

DayText = Annotated[
    str, StringConstraints(max_length=200), WithJsonSchema({"type": "string", "format": "date"})
]
"""A day as a browser or a date picker sends it; see `services/deciders/dates.py`."""


class LeadDetailsRequest(RequestModel):
    """Details of a lead. They may also be inside an object `leadInfo`."""

    first_name: Line | None = Field(None, validation_alias=AliasChoices("firstName", "first_name"))
    last_name: Line | None = Field(None, validation_alias=AliasChoices("lastName", "last_name"))
    email: Line | None = None
    phone: Line | None = None
    move_in_date: DayText | None = Field(
        None, validation_alias=AliasChoices("moveInDate", "move_in_date")
    )
    notes: Body | None = None

    @model_validator(mode="before")
    @classmethod
    def _unwrap(cls, data: Any) -> Any:
        """Merge `leadInfo` into the body and drop blank texts."""
        if isinstance(data, dict) and isinstance(wrapped := data.get("leadInfo"), dict):
            data = {**data, **wrapped}
        return drop_blank_fields(data)

    def details(self, source: str, bedrooms: object, host_property: HostProperty) -> Details:
        """Return the normalised details.

        Raise `Refused` for a malformed name, e-mail address, phone number or date.
        """
        return Details(
            source, normalize_name(self.first_name), normalize_name(self.last_name),
            normalize_email(self.email), normalize_phone(self.phone, host_property.country),
            read_day(self.move_in_date, host_property),
            None if bedrooms is None else str(bedrooms), self.notes,
        )  # fmt: skip


def read_day(text: str | None, host_property: HostProperty) -> date | None:
    """Return the day in the property's country and time zone. Raise `Refused` for another text."""
    if text is None:
        return None
    return require_day(text, host_property.country, host_property.zone_name)
