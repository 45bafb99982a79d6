"""The documents of a person by their format."""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import NamedTuple, TypeAlias

from sqlalchemy.ext.asyncio import AsyncConnection

from events.privacy import ExportFormat
from services.privacy.person_export import Person, export_json
from services.privacy.person_page import export_page

Writer: TypeAlias = Callable[[AsyncConnection, Person, datetime], AsyncIterator[bytes]]


class Document(NamedTuple):
    """The function that yields a document in parts, and its media type."""

    write: Writer
    media_type: str


DOCUMENTS: Mapping[ExportFormat, Document] = {
    ExportFormat.JSON: Document(export_json, "application/json"),
    ExportFormat.HTML: Document(export_page, "text/html; charset=utf-8"),
}
