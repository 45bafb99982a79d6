"""The options of `crm dead` that select dead letters."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from cyclopts import Parameter

from services.application.dead_letters import DeadLetterFilter


@Parameter(name="*")
@dataclass(frozen=True)
class DeadLetterOptions:
    """The options that select dead letters; all that are given must hold."""

    reason: Annotated[str | None, Parameter(help="The reason code of the rejection.")] = None
    property_: Annotated[
        UUID | None, Parameter(name="--property", help="The id of the property.")
    ] = None
    type_: Annotated[
        str | None, Parameter(name="--type", help="The event type, such as lead.captured.")
    ] = None
    source: Annotated[str | None, Parameter(help="The CloudEvents source of the producer.")] = None

    @property
    def has_any(self) -> bool:
        return any((self.reason, self.property_, self.type_, self.source))

    def to_filter(self, ids: Sequence[UUID] = (), status: str | None = "open") -> DeadLetterFilter:
        return DeadLetterFilter(ids, status, self.reason, self.property_, self.type_, self.source)


NO_OPTIONS = DeadLetterOptions()
