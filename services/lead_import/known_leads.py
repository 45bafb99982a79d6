"""Lines about leads that are known: whose they are, and what they take back."""

from collections.abc import Mapping, Sequence
from uuid import UUID, uuid5

import asyncpg

from events.claims import EMAIL, EXTERNAL_ID, MERGED, claims_of
from events.consents import ConsentWithdrawn
from events.record import NewEvent
from services.application.command_handler import transact
from services.application.unit_of_work import Scope, UnitOfWork
from services.deciders.consents import SayConsent
from services.lead_import.lines import Line

Key = tuple[str, str]


class Collision(Exception):
    """Another lead has this external id: that of another system, or one in other letters."""

    def __init__(self, owner: UUID) -> None:
        super().__init__(f"lead {owner} has this external id, and not this e-mail address")


def claims(line: Line) -> list[Key]:
    """What the line's lead claims firmly."""
    return [(claim.kind, claim.value) for claim in claims_of(line.lead) if claim.firm]


def looked_up(line: Line) -> list[Key]:
    """The claims that tell whether its lead is known; merged, it is known as another."""
    return [*claims(line), (MERGED, str(line.lead.lead_id))]


def owner_of(line: Line, owners: Mapping[Key, UUID]) -> UUID | None:
    """The lead that the line is about, where it is known.

    An e-mail address tells a person. An external id tells only its own system's leads, and the
    claim on it names no system: raises `Collision` where it is another lead's.
    """
    found = {kind: owner for kind, value in claims(line) if (owner := owners.get((kind, value)))}
    if (known := found.get(EMAIL)) is not None:
        return known
    named = found.get(EXTERNAL_ID)
    if named not in (None, line.lead.lead_id, owners.get((MERGED, str(line.lead.lead_id)))):
        raise Collision(named)
    return named


def withdrawals(line: Line) -> list[NewEvent]:
    """The consents it withdraws."""
    return [
        recorded
        for recorded in line.recorded_events
        if isinstance(recorded.event, ConsentWithdrawn)
    ]


async def still_to_withdraw(
    pool: asyncpg.Pool, known: Sequence[tuple[Line, UUID]], done: set[UUID]
) -> list[list[NewEvent]]:
    """Per line and its owner, the withdrawals that are neither `done` nor in the log.

    Consent is never given so: what a person last said themselves may be newer than the file.
    """
    said = [(recorded, owner) for line, owner in known for recorded in withdrawals(line)]
    ids = [key for recorded, owner in said for key in (recorded.id, _id(recorded, owner))]
    rows = await pool.fetch(
        "SELECT id FROM public.crm_events "
        "WHERE id = ANY($1::uuid[]) AND event_type = 'consent.withdrawn'",
        ids,
    ) if ids else []  # fmt: skip
    done |= {row["id"] for row in rows}
    left: list[list[NewEvent]] = []
    for line, owner in known:
        left.append([f for f in withdrawals(line) if done.isdisjoint((f.id, _id(f, owner)))])
        done |= {_id(recorded, owner) for recorded in left[-1]}
    return left


async def take_back(pool: asyncpg.Pool, recorded_events: Sequence[NewEvent], owner: UUID) -> None:
    """Withdraw for the lead its owner is known as what a line of another lead withdraws."""

    async def work(uow: UnitOfWork) -> None:
        for recorded in recorded_events:
            if isinstance(said := recorded.event, ConsentWithdrawn):
                command = SayConsent(owner, said.channel, False, said.place, said.at, said.text)
                for event in await uow.do(command):
                    uow.give_id(event, _id(recorded, owner))

    first = recorded_events[0]
    if first.property_id is None:
        raise RuntimeError("leads are imported into a property")
    scope = Scope(first.org_id, first.property_id, first.occurred_at, first.cause)
    await transact(pool, scope, work)


def _id(recorded: NewEvent, owner: UUID) -> UUID:
    return uuid5(recorded.id, f"withdrawn/{owner}")
