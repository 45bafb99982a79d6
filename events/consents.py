"""Consents: a lead's permission for one channel, with evidence."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self
from uuid import UUID, uuid5

from pydantic import Field, model_validator

from events.event import Event, Foreign, Intake, Personal
from events.fields import Body, Instant, Line, Word

_NAMESPACE = UUID("6f3c9c0e-52f5-5d0b-9a53-8b0a6c1d7e42")


class ConsentChannel(StrEnum):
    """A channel that needs consent."""

    SMS = "sms"
    EMAIL = "email"
    CALL = "call"


def consent_id(lead_id: UUID, channel: ConsentChannel) -> UUID:
    """Return the stream id of a lead's consent for a channel."""
    return uuid5(_NAMESPACE, f"{lead_id}/{channel}")


class _ConsentEvent(Event):
    """A change of a lead's consent for one channel, with its evidence."""

    stream: ClassVar[str] = "consent"
    entity: ClassVar[str] = "consent_id"
    intake: ClassVar[Intake] = Intake.DECIDED
    begins: ClassVar[bool] = True
    requires: ClassVar[Mapping[str, str]] = {"lead_id": "lead"}
    derivable: ClassVar[frozenset[str]] = frozenset({"consent_id"})

    consent_id: UUID
    lead_id: UUID
    channel: ConsentChannel
    text: Annotated[
        Body | None, Personal("lead_id"), Field(description="Wording that the lead saw or wrote.")
    ] = None
    place: Annotated[
        Word,
        Personal("lead_id"),
        Field(description="Where it happened, such as `widget`, `sms_reply`, `import`."),
    ]
    at: Annotated[Instant, Field(description="When it happened.")]
    source: Annotated[
        Line | None,
        Personal("lead_id"),
        Field(description="Origin of the evidence, such as the provider's id of the message."),
    ] = None
    recorded_by: Foreign | None = None

    @model_validator(mode="after")
    def _check_stream(self) -> Self:
        if self.consent_id != consent_id(self.lead_id, self.channel):
            raise ValueError("consent_id does not belong to lead_id and channel: omit consent_id")
        return self

    @classmethod
    def derive(cls, payload: dict[str, Any]) -> dict[str, Any]:
        """Return the payload with the stream id where it was omitted."""
        lead_id, channel = payload.get("lead_id"), payload.get("channel")
        if "consent_id" in payload or not isinstance(lead_id, str) or not isinstance(channel, str):
            return payload
        try:
            return {
                **payload,
                "consent_id": str(consent_id(UUID(lead_id), ConsentChannel(channel))),
            }
        except ValueError:
            return payload


class ConsentGiven(_ConsentEvent):
    """The lead agreed to messages, or calls, on this channel."""

    name: ClassVar[str] = "consent.given"


class ConsentWithdrawn(_ConsentEvent):
    """The lead withdrew its consent for this channel."""

    name: ClassVar[str] = "consent.withdrawn"

    keyword: Annotated[
        Line | None, Personal("lead_id"), Field(description="Keyword that the lead replied.")
    ] = None
