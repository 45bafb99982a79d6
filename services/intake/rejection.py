"""Why the door refuses a record: every reason by its code."""

from enum import StrEnum


class Reason(StrEnum):
    """The code a dead letter carries; what to do about it is in its detail."""

    MALFORMED = "malformed"
    """No CloudEvent can be read out of the record."""
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_VERSION = "unknown_version"
    NOT_FOR_PRODUCERS = "not_for_producers"
    """Only the core says this, or derives it."""
    INVALID = "invalid"
    """The data do not have the shape of the event."""
    UNSIGNED = "unsigned"
    """Signatures are demanded and this record has none that holds."""
    UNKNOWN_SUBJECT = "unknown_subject"
    """What the event is about did not appear in time."""
    WAITING_FULL = "waiting_full"
    """Too many records wait for their subjects already."""
    WRONG_PROPERTY = "wrong_property"
    """What the event is about belongs to another property."""
    UNKNOWN_PROFILE = "unknown_profile"
    """A person it names is no profile of the organisation."""
    ID_REUSED = "id_reused"
    LIMIT_EXCEEDED = "limit_exceeded"
    DISAGREED = "disagreed"
    """The core's decider does not agree that it happened."""
    CONFLICT = "conflict"
    """Others kept changing what had to be decided on."""
    UNSTORABLE = "unstorable"
    """The database cannot hold it, for a reason no check above knows."""


class Refused(Exception):
    """The door refuses a record for good."""

    def __init__(self, reason: Reason, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail)
        self.reason = code or reason.value
        self.detail = detail
