"""Merges: two leads that turned out to be one person."""

from collections.abc import Mapping
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from events.event import Event, Foreign, Personal
from events.fields import Key, Text, Word


class LeadMerged(Event):
    """Two leads turned out to be one person: the loser's id now resolves to the winner."""

    name: ClassVar[str] = "lead.merged"
    stream: ClassVar[str] = "lead"
    entity: ClassVar[str] = "loser_id"
    requires: ClassVar[Mapping[str, str]] = {"loser_id": "lead", "winner_id": "lead"}
    sparse: ClassVar[frozenset[str]] = frozenset({"filled"})

    loser_id: UUID
    winner_id: UUID
    reason: Annotated[Word | None, Personal("loser_id")] = None
    merged_by: Foreign | None = None
    filled: Annotated[
        tuple[Key, ...],
        Field(
            max_length=50,
            description="Details that the winner did not have and gets from the loser.",
        ),
    ] = ()

    @property
    def lead(self) -> UUID | None:
        """Return the loser: the event is in its stream."""
        return self.loser_id


class LeadUnmerged(Event):
    """A merge was undone: the loser is a separate lead again."""

    name: ClassVar[str] = "lead.unmerged"
    stream: ClassVar[str] = "lead"
    entity: ClassVar[str] = "loser_id"
    requires: ClassVar[Mapping[str, str]] = {"loser_id": "lead", "winner_id": "lead"}

    loser_id: UUID
    winner_id: UUID
    reason: Annotated[Text | None, Personal("loser_id")] = None
    unmerged_by: Foreign | None = None

    @property
    def lead(self) -> UUID | None:
        """Return the loser: the event is in its stream."""
        return self.loser_id
