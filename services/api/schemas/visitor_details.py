"""Details that a visitor leaves in the widget.

A detail that cannot be read does not lose the others: it is set aside, and its text becomes part of
a note for the agents.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, Self

import orjson
from pydantic import ModelWrapValidatorHandler, PrivateAttr, ValidationError, model_validator

from services.api.schemas.schema import RequestModel, blank_to_none
from services.deciders.contacts import normalize_email, normalize_phone
from services.deciders.dates import parse_day
from services.deciders.decider import Refused
from services.deciders.leads import LABELS, Details
from services.deciders.names import normalize_name
from services.host import HostProperty

MAX_UNREAD_LENGTH = 500


class VisitorDetails(NamedTuple):
    """The details that could be read, and a note with the texts of the others."""

    details: Details
    note: str | None


class VisitorRequest(RequestModel):
    """A request with details of a visitor, all of them optional.

    `set_aside` says which fields are left out if they cannot be read. A text in a field that a
    note cannot name, such as an id, is dropped.
    """

    set_aside: ClassVar[frozenset[str]] = frozenset(
        {"first_name", "last_name", "email", "phone", "move_in_date", "bedroom_preference", "notes",
         "session_id", "conversation_id"}
    )  # fmt: skip
    _unread: dict[str, Any] = PrivateAttr(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def _set_unreadable_aside(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        values = unwrap_lead_info(data)
        try:
            return handler(values)
        except ValidationError as error:
            names = {str(item["loc"][0]) for item in error.errors() if item["loc"]}
            fields = {
                field: cls._names(field)
                for field in cls.set_aside & cls.model_fields.keys()
                if names & cls._names(field)
            }
            if not fields or not isinstance(values, dict):
                raise
        dropped = frozenset[str]().union(*fields.values())
        request = handler({name: item for name, item in values.items() if name not in dropped})
        for field, aliases in fields.items():
            request._unread[field] = next(
                (values[name] for name in values if name in aliases), None
            )
        return request

    @classmethod
    def _names(cls, field: str) -> frozenset[str]:
        """Return the names under which a client can send a field."""
        info = cls.model_fields[field]
        choices = getattr(info.validation_alias, "choices", [info.validation_alias])
        return frozenset({field, *(name for name in choices if isinstance(name, str))})

    def read_details(self, source: str, host_property: HostProperty) -> VisitorDetails:
        """Return the details as they are stored, and the note with those that cannot be read.

        Raises `Refused` if neither the e-mail address nor the phone number can be read.
        """
        unread = dict(self._unread)
        values: dict[str, Any] = {}
        refusals: list[Refused] = []
        country = host_property.country
        readers: dict[str, Callable[[str | None], str | None]] = {
            "first_name": normalize_name,
            "last_name": normalize_name,
            "email": normalize_email,
            "phone": lambda text: normalize_phone(text, country),
        }
        for field, read in readers.items():
            text = getattr(self, field, None)
            try:
                values[field] = read(text)
            except Refused as refusal:
                unread[field] = text
                if field in ("email", "phone"):
                    refusals.append(refusal)
        if refusals and not (values.get("email") or values.get("phone")):
            raise refusals[0]
        if (text := getattr(self, "move_in_date", None)) is not None:
            values["move_in_date"] = parse_day(text, country, host_property.zone_name)
            if values["move_in_date"] is None:
                unread["move_in_date"] = text
        bedrooms = getattr(self, "bedroom_preference", None)
        values["bedrooms"] = None if bedrooms is None else str(bedrooms)
        values["notes"] = getattr(self, "notes", None)
        return VisitorDetails(Details(source, **values), _note(unread))


def unwrap_lead_info(data: Any) -> Any:
    """Return a body whose `leadInfo` is merged into it, without its blank texts."""
    if not isinstance(data, dict):
        return data
    merged = dict(data)
    if isinstance(wrapped := merged.get("leadInfo"), dict):
        merged |= wrapped
        del merged["leadInfo"]
    return {
        name: value for name, value in merged.items() if value is None or blank_to_none(value)
        is not None
    }  # fmt: skip


def _note(unread: Mapping[str, Any]) -> str | None:
    labels = {**LABELS, "bedroom_preference": LABELS["bedrooms"]}
    lines = [
        f"{labels[field]}, could not be read: {_as_text(value)}"
        for field, value in sorted(unread.items())
        if field in labels
    ]
    return "\n".join(lines) or None


def _as_text(value: Any) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    printable = "".join(char if char.isprintable() else " " for char in text)
    return printable[:MAX_UNREAD_LENGTH]
