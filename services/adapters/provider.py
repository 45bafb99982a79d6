"""The interface of providers: what hands a message over to the world outside, once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol
from uuid import UUID

from events.deliveries import DeliveryChannel, MessageClass


class Attachment(NamedTuple):
    """A file of an e-mail, such as an invite (`text/calendar; method=REQUEST`)."""

    file_name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message as a provider gets it. `delivery_id` is the same in every attempt.

    `recipient` is an E.164 number, an e-mail address or a URL; `body` is plain text, or JSON for a
    webhook. `sender_name` is the property's name and `postal_address` its address on one line.
    `unsubscribe_path` is the path of the page on which this
    recipient unsubscribes, below the public address of the API.
    """

    delivery_id: UUID
    attempt: int
    org_id: UUID
    property_id: UUID
    channel: DeliveryChannel
    message_class: MessageClass
    recipient: str
    body: str
    subject: str | None = None
    sender_name: str = ""
    postal_address: str | None = None
    unsubscribe_path: str | None = None
    attachments: Sequence[Attachment] = field(default=())


class Accepted(NamedTuple):
    """The provider took the message over. `external_id` is its id there."""

    external_id: str | None


OPTED_OUT = "opted_out"
"""Code of a rejection: the recipient has opted out at the provider."""
UNKNOWN_ADDRESS = "unknown_address"
"""Code of a rejection: the recipient does not exist."""


class Rejected(NamedTuple):
    """The provider refused the message for good: it is not sent again.

    `code` is `OPTED_OUT`, `UNKNOWN_ADDRESS` or another key of the provider.
    """

    code: str
    reason: str


class NotHandedOver(NamedTuple):
    """The provider certainly did not get the message: another attempt cannot send it twice.

    Only for what is proven, such as a refused connection or an answer 429.
    """

    code: str
    reason: str
    retry_after_seconds: float | None = None


HandOverResult = Accepted | Rejected | NotHandedOver


class HandOverUnknown(Exception):
    """It is unknown whether the provider got the message: a time-out, or a lost connection."""


class Finding(StrEnum):
    """The knowledge of a provider about a hand-over whose result is unknown."""

    DELIVERED = "delivered"
    FAILED = "failed"
    NEVER_RECEIVED = "never_received"
    NOT_KNOWN = "not_known"


class LookUp(NamedTuple):
    """The answer of a provider about an earlier hand-over."""

    finding: Finding
    external_id: str | None = None
    detail: str | None = None


class Provider(Protocol):
    """A provider of one channel. All implementations pass the same contract suite.

    `is_simulated` is True for a provider that sends nothing to anybody.
    """

    name: str
    channel: DeliveryChannel
    is_simulated: bool

    async def hand_over(self, message: OutgoingMessage) -> HandOverResult:
        """Hand a message over, with one request. Raise `HandOverUnknown`; never try again."""
        ...

    async def look_up(self, message: OutgoingMessage, claimed_at: datetime) -> LookUp:
        """Return what became of an earlier hand-over of this message. Sends nothing."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
