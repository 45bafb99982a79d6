"""Requests of a person about its data that the organisation has answered."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import Field, Strict

from events.event import Event, Foreign, Personal
from events.fields import Key, NotPersonal, Text

WHY: Any = Field(description="Why, in words of the person in charge.")


class ExportFormat(StrEnum):
    """The form of an exported document."""

    JSON = "json"
    HTML = "html"


class _PrivacyEvent(Event):
    """An event in the stream of the surviving lead."""

    stream: ClassVar[str] = "lead"
    entity: ClassVar[str] = "lead_id"
    requires: ClassVar[Mapping[str, str]] = {"lead_id": "lead"}

    lead_id: UUID


class LeadExported(_PrivacyEvent):
    """The data of the person was exported."""

    name: ClassVar[str] = "lead.exported"

    format: Annotated[ExportFormat, Field(description="Form of the document.")]
    reason: Annotated[
        Text | None,
        Personal("lead_id"),
        Field(description="Why, in words of the person in charge."),
    ] = None
    exported_by: Foreign | None = None


class LeadRectified(_PrivacyEvent):
    """Wrong details of the person were corrected; `lead.updated` beside it has the values."""

    name: ClassVar[str] = "lead.rectified"

    fields: Annotated[
        tuple[Key, ...], Field(max_length=50, description="Names of the corrected details.")
    ]
    reason: Annotated[Text, Personal("lead_id"), WHY]
    rectified_by: Foreign | None = None


class LeadErasureCompleted(_PrivacyEvent):
    """All tables contain the erasure, and copies outside of the log were found and erased.

    The data keys are destroyed after it, by whoever appended it, or by the next attempt.
    """

    name: ClassVar[str] = "lead.erasure_completed"

    erasure_event_id: Annotated[Foreign, Field(description="Id of the event of the erasure.")]
    keys: Annotated[
        int, Strict(), Field(ge=0, description="Number of data keys that are destroyed.")
    ]
    erased_rows: Annotated[
        dict[str, int],
        NotPersonal("Names of tables with numbers of rows."),
        Field(max_length=50, description="Table of other contents → number of erased rows."),
    ]
