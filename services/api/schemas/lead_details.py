"""The details of a lead in requests of the widget and of the console."""

from datetime import date
from typing import Any

from pydantic import AliasChoices, Field, model_validator

from events.fields import Body, Line
from services.api.schemas.schema import RequestModel, drop_blank_fields
from services.deciders.contacts import normalize_email, normalize_phone
from services.deciders.leads import Details


class LeadDetailsRequest(RequestModel):
    """Details of a lead. They may also be inside an object `leadInfo`."""

    first_name: Line | None = Field(None, validation_alias=AliasChoices("firstName", "first_name"))
    last_name: Line | None = Field(None, validation_alias=AliasChoices("lastName", "last_name"))
    email: Line | None = None
    phone: Line | None = None
    move_in_date: date | None = Field(
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

    def details(self, source: str, bedrooms: object, country: str | None) -> Details:
        """Return the normalised details.

        Raise `Refused` for a malformed e-mail address or phone number.
        """
        return Details(
            source, self.first_name, self.last_name, normalize_email(self.email),
            normalize_phone(self.phone, country), self.move_in_date,
            None if bedrooms is None else str(bedrooms), self.notes,
        )  # fmt: skip
