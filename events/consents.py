"""What a lead agreed to receive, per channel, with the evidence of it."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self
from uuid import UUID, uuid5

from pydantic import model_validator

from events.event import Event, Foreign, Intake, Personal
from events.fields import Body, Instant, Line, Word

_NAMESPACE = UUID("6f3c9c0e-52f5-5d0b-9a53-8b0a6c1d7e42")


class ConsentChannel(StrEnum):
    """A way to reach somebody that needs consent."""

    SMS = "sms"
    EMAIL = "email"
    CALL = "call"


def consent_id(lead_id: UUID, channel: ConsentChannel) -> UUID:
    """The stream of a lead's consent for a channel."""
    return uuid5(_NAMESPACE, f"{lead_id}/{channel}")


class _ConsentEvent(Event):
    """What was said (`text`), where (`place`, such as `widget`, `sms_reply`, `import`), when."""

    stream: ClassVar[str] = "consent"
    entity: ClassVar[str] = "consent_id"
    intake: ClassVar[Intake] = Intake.DECIDED
    told: ClassVar[frozenset[str]] = frozenset({"consent_id"})

    consent_id: UUID
    lead_id: UUID
    channel: ConsentChannel
    text: Annotated[Body | None, Personal("lead_id")] = None
    place: Word
    at: Instant
    recorded_by: Foreign | None = None

    @model_validator(mode="after")
    def _own_stream(self) -> Self:
        if self.consent_id != consent_id(self.lead_id, self.channel):
            raise ValueError("consent_id is not that of lead and channel: leave it out")
        return self

    @classmethod
    def complete(cls, sent: dict[str, Any]) -> dict[str, Any]:
        """What a producer sent, with the stream id it may leave out."""
        lead_id, channel = sent.get("lead_id"), sent.get("channel")
        if "consent_id" in sent or not isinstance(lead_id, str) or not isinstance(channel, str):
            return sent
        try:
            return {**sent, "consent_id": str(consent_id(UUID(lead_id), ConsentChannel(channel)))}
        except ValueError:
            return sent


class ConsentGiven(_ConsentEvent):
    """The lead agreed to be written to, or called, on this channel."""

    name: ClassVar[str] = "consent.given"


class ConsentWithdrawn(_ConsentEvent):
    """The lead wants nothing more on this channel; `keyword` is what it replied, if it did."""

    name: ClassVar[str] = "consent.withdrawn"

    keyword: Line | None = None
