"""Why the log refuses: the whole tree on one screen."""

from uuid import UUID

from events.record import Stream


class LogRefused(Exception):
    """The log did not take the events; nothing was written."""

    code = "refused"


class Conflict(LogRefused):
    """Somebody else appended to a stream first: read it again and decide again."""

    code = "conflict"

    def __init__(self, stream: Stream, expected: int, found: int) -> None:
        super().__init__(
            f"{stream.entity_type} {stream.entity_id} is at version {found}, not {expected}: "
            "read it again and decide again"
        )
        self.stream, self.expected, self.found = stream, expected, found


class ClaimTaken(LogRefused):
    """A value that must be unique (a lead's e-mail in its property) belongs to another."""

    code = "claim_taken"

    def __init__(self, kind: str, owner: UUID) -> None:
        super().__init__(f"this {kind} already belongs to {owner}")
        self.kind, self.owner = kind, owner


class IdReused(LogRefused):
    """An id that is known came again with another content."""

    code = "id_reused"

    def __init__(self, event_id: UUID) -> None:
        super().__init__(
            f"event {event_id} is already in the log with another content: "
            "an id says one thing for ever, send the new fact under a new id"
        )
        self.event_id = event_id


class WrongProperty(LogRefused):
    """A stream lives in one property for ever."""

    code = "wrong_property"

    def __init__(self, stream: Stream) -> None:
        super().__init__(f"{stream.entity_type} {stream.entity_id} belongs to another property")


class LimitExceeded(LogRefused):
    """An event is too large, holds text PostgreSQL cannot keep, or lies in the future."""

    code = "limit_exceeded"
