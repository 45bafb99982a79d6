"""Consents: what a lead agreed to receive on a channel, and that it does so no more."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from events.consents import ConsentChannel, ConsentGiven, ConsentWithdrawn, consent_id
from events.event import Event
from events.record import Stream
from services.deciders import leads
from services.deciders.decider import Decider, UnknownSubject
from services.deciders.fields import without_nulls
from services.deciders.leads import Lead


@dataclass(frozen=True, slots=True)
class SayConsent:
    """A lead gave consent, or took it back; `text`, `place` and `at` are the evidence."""

    lead_id: UUID
    channel: ConsentChannel
    given: bool
    place: str
    at: datetime
    text: str | None = None
    keyword: str | None = None
    recorded_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class Consent:
    """The last thing said, and whose it is; nothing was said where `given` is None."""

    given: bool | None = None
    at: datetime | None = None
    lead: Lead = field(default_factory=Lead)


def streams(command: SayConsent) -> Sequence[Stream]:
    return [
        Stream("consent", consent_id(command.lead_id, command.channel)),
        Stream("lead", command.lead_id),
    ]


def evolve(state: Consent, event: Event) -> Consent:
    match event:
        case ConsentGiven() | ConsentWithdrawn():
            return replace(state, given=isinstance(event, ConsentGiven), at=event.at)
        case _:
            return replace(state, lead=leads.evolve(state.lead, event))


def decide(command: SayConsent, state: Consent) -> list[Event]:
    """The same said at the same time is nothing new; said again later it is evidence again."""
    if not state.lead.exists:
        raise UnknownSubject(Stream("lead", command.lead_id))
    if (state.given, state.at) == (command.given, command.at):
        return []
    said = {
        "consent_id": consent_id(command.lead_id, command.channel),
        "lead_id": command.lead_id, "channel": command.channel, "text": command.text,
        "place": command.place, "at": command.at, "recorded_by": command.recorded_by,
        "keyword": None if command.given else command.keyword,
    }  # fmt: skip
    kind = ConsentGiven if command.given else ConsentWithdrawn
    return [kind.model_validate(without_nulls(**said))]


decider: Decider[SayConsent, Consent] = Decider((SayConsent,), streams, Consent(), evolve, decide)
