"""The decider of consents: a lead's permission for one channel, given or withdrawn."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from events.consents import ConsentChannel, ConsentGiven, ConsentWithdrawn, consent_id
from events.event import Event
from events.record import Stream
from services.deciders import leads
from services.deciders.decider import Decider, UnknownSubject
from services.deciders.leads import Lead


@dataclass(frozen=True, slots=True)
class RecordConsent:
    """A lead gave or withdrew consent; `text`, `place`, `at` and `source` are the evidence."""

    lead_id: UUID
    channel: ConsentChannel
    given: bool
    place: str
    at: datetime
    text: str | None = None
    keyword: str | None = None
    recorded_by: UUID | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Consent:
    """The newest decision about a channel (`given` is None if there is none), and the lead."""

    given: bool | None = None
    at: datetime | None = None
    lead: Lead = field(default_factory=Lead)


def streams(command: RecordConsent) -> Sequence[Stream]:
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


def decide(command: RecordConsent, state: Consent) -> list[Event]:
    """Return no event for the same decision of the same instant; a later one is new evidence."""
    if not state.lead.exists:
        raise UnknownSubject(Stream("lead", command.lead_id))
    if (state.given, state.at) == (command.given, command.at):
        return []
    stream_id = consent_id(command.lead_id, command.channel)
    if command.given:
        return [ConsentGiven(
            consent_id=stream_id, lead_id=command.lead_id, channel=command.channel,
            text=command.text, place=command.place, at=command.at,
            recorded_by=command.recorded_by, source=command.source,
        )]  # fmt: skip
    return [ConsentWithdrawn(
        consent_id=stream_id, lead_id=command.lead_id, channel=command.channel, text=command.text,
        place=command.place, at=command.at, keyword=command.keyword,
        recorded_by=command.recorded_by, source=command.source,
    )]  # fmt: skip


decider: Decider[RecordConsent, Consent] = Decider(
    "consent", (RecordConsent,), streams, Consent(), evolve, decide
)
