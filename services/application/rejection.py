"""The reasons for which the intake rejects a record."""

from enum import StrEnum


class RejectionReason(StrEnum):
    """The reason code of a dead letter. Its detail says what to do."""

    MALFORMED = "malformed"
    """The record contains no readable CloudEvent."""
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_VERSION = "unknown_version"
    NOT_FOR_PRODUCERS = "not_for_producers"
    """Only the core writes or derives this event."""
    INVALID = "invalid"
    """The data do not have the shape of the event."""
    UNSIGNED = "unsigned"
    """Signatures are required, and this record has no valid one."""
    UNKNOWN_SUBJECT = "unknown_subject"
    """The subject of the event did not appear in time."""
    WAITING_FULL = "waiting_full"
    """Too many records are pending already."""
    WRONG_PROPERTY = "wrong_property"
    """The subject of the event belongs to another property."""
    UNKNOWN_PROFILE = "unknown_profile"
    """The event names a person who has no profile in the organisation."""
    ID_REUSED = "id_reused"
    LIMIT_EXCEEDED = "limit_exceeded"
    DISAGREED = "disagreed"
    """The decider of the core does not agree."""
    CONFLICT = "conflict"
    """Other commands kept changing the streams on which the decision depends."""
    UNSTORABLE = "unstorable"
    """The database cannot store the event, for a reason that no check above covers."""


class RejectedRecord(Exception):
    """The rejection of a record. `code` replaces the reason with the code of a decider."""

    def __init__(self, reason: RejectionReason, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail)
        self.reason = code or reason.value
        self.detail = detail
