"""Sessions: a visitor's use of the widget.

A visitor may never become a lead. Personal fields therefore belong to the session; when a lead is
erased, those of its sessions are erased too.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field
from uuid_utils.compat import uuid5

from events.event import Event, Intake, Personal
from events.fields import Text, VisitorHash


class SessionStarted(Event):
    """A visitor opened the widget."""

    name: ClassVar[str] = "session.started"
    version: ClassVar[int] = 2
    stream: ClassVar[str] = "session"
    entity: ClassVar[str] = "session_id"
    intake: ClassVar[Intake] = Intake.OBSERVED
    begins: ClassVar[bool] = True
    requires: ClassVar[Mapping[str, str]] = {"lead_id": "lead"}

    hashed: ClassVar[Mapping[str, str]] = {"visitor_id": "visitor_hash"}

    session_id: UUID
    visitor_hash: Annotated[
        VisitorHash | None,
        Personal("session_id"),
        Field(description="Keyed hash of the visitor's id. The core stores no visitor id."),
    ] = None
    user_agent: Annotated[Text | None, Personal("session_id")] = None
    referrer_url: Annotated[Text | None, Personal("session_id")] = None
    lead_id: UUID | None = None


class SessionIdentified(Event):
    """A session and its conversations were linked to a lead."""

    name: ClassVar[str] = "session.identified"
    stream: ClassVar[str] = "session"
    entity: ClassVar[str] = "session_id"
    intake: ClassVar[Intake] = Intake.DECIDED
    requires: ClassVar[Mapping[str, str]] = {
        "session_id": "session",
        "lead_id": "lead",
        "conversation_ids": "conversation",
    }
    sparse: ClassVar[frozenset[str]] = frozenset({"conversation_ids"})

    session_id: UUID
    lead_id: UUID
    conversation_ids: Annotated[tuple[UUID, ...], Field(max_length=1_000)] = ()

    def row_ids(self, event_id: UUID) -> frozenset[UUID]:
        """Return the event's id and the id of the chat start of each conversation."""
        return frozenset({event_id, *(chat_start_id(event_id, c) for c in self.conversation_ids)})


def chat_start_id(event_id: UUID, conversation_id: UUID) -> UUID:
    """Return the id of the engagement `chat_started` of a conversation that was linked to a lead.

    `event_id` is the id of the `session.identified` event that linked it.
    """
    return uuid5(event_id, str(conversation_id))
