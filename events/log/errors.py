"""The reasons for which the log refuses an append."""

from uuid import UUID

from events.record import Stream


class AppendRefused(Exception):
    """An append that the log refused; nothing was written."""

    code = "refused"


class Conflict(AppendRefused):
    """A stream with another version than expected, because of a concurrent append."""

    code = "conflict"

    def __init__(self, stream: Stream, expected: int, actual: int) -> None:
        super().__init__(
            f"{stream.entity_type} {stream.entity_id} is at version {actual}, not {expected}: "
            "read it again and decide again"
        )
        self.stream, self.expected, self.actual = stream, expected, actual


class ClaimTaken(AppendRefused):
    """A unique value, such as a lead's e-mail in its property, that another entity owns."""

    code = "claim_taken"

    def __init__(self, kind: str, owner: UUID) -> None:
        super().__init__(f"this {kind} already belongs to {owner}")
        self.kind, self.owner = kind, owner


class IdReused(AppendRefused):
    """An event id that the log has with another content."""

    code = "id_reused"

    def __init__(self, event_id: UUID) -> None:
        super().__init__(
            f"event {event_id} is already in the log with another content: "
            "use a new id for a new event"
        )
        self.event_id = event_id


class WrongProperty(AppendRefused):
    """A stream that belongs to another property: streams never move."""

    code = "wrong_property"

    def __init__(self, stream: Stream) -> None:
        super().__init__(f"{stream.entity_type} {stream.entity_id} belongs to another property")


class SubjectErased(AppendRefused):
    """A new event for a lead, session or conversation whose personal data was erased."""

    code = "lead_erased"

    def __init__(self, subject_id: UUID) -> None:
        super().__init__(f"the personal data of {subject_id} was erased: it takes no new data")


class LimitExceeded(AppendRefused):
    """An event that is too large, in the future, or has text that PostgreSQL cannot store."""

    code = "limit_exceeded"
