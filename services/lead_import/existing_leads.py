"""Lines about leads that exist already: which lead it is, and which consents the line withdraws."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias
from uuid import UUID, uuid5

import asyncpg

from events.claims import EMAIL, EXTERNAL_ID, MERGED
from events.consents import ConsentWithdrawn
from events.record import NewEvent
from services.application.command_handler import transact
from services.application.scope import Scope
from services.application.unit_of_work import UnitOfWork
from services.deciders.consents import RecordConsent
from services.lead_import.lines import LeadLine

ClaimKey: TypeAlias = tuple[str, str]
"""The kind and the value of a claim."""


class ExternalIdCollision(Exception):
    """The external id belongs to another lead, one of another system."""

    def __init__(self, owner: UUID) -> None:
        super().__init__(
            f"lead {owner} has this external id and another e-mail address: "
            "correct one of the two in the file"
        )


def claims(line: LeadLine) -> list[ClaimKey]:
    """Return the firm claims of the line's lead."""
    return [(claim.kind, claim.value) for claim in line.claims if claim.firm]


def identifying_claims(line: LeadLine) -> list[ClaimKey]:
    """Return the claims that tell whether the lead exists, including that it was merged."""
    return [*claims(line), (MERGED, str(line.lead.lead_id))]


def find_existing_lead(line: LeadLine, owners: Mapping[ClaimKey, UUID]) -> UUID | None:
    """Return the lead that the line is about, or None if it is new.

    An e-mail address identifies a lead of any system. An external id identifies only leads of its
    own system, but the claim does not name the system: raise `ExternalIdCollision` if it belongs to
    another lead.
    """
    found = {kind: owner for kind, value in claims(line) if (owner := owners.get((kind, value)))}
    if (by_email := found.get(EMAIL)) is not None:
        return by_email
    by_external_id = found.get(EXTERNAL_ID)
    same_lead = (None, line.lead.lead_id, owners.get((MERGED, str(line.lead.lead_id))))
    if by_external_id not in same_lead:
        raise ExternalIdCollision(by_external_id)
    return by_external_id


def withdrawals(line: LeadLine) -> list[NewEvent]:
    """Return the line's events that withdraw a consent."""
    return [new for new in line.new_events if isinstance(new.event, ConsentWithdrawn)]


async def find_withdrawals(
    pool: asyncpg.Pool, existing: Sequence[tuple[LeadLine, UUID]], done: set[UUID]
) -> list[list[NewEvent]]:
    """Return, for each line and lead, the withdrawals that are neither in `done` nor in the log.

    A consent that the file gives is never applied to an existing lead: the lead's own last answer
    may be newer than the file.
    """
    ids = [
        event_id
        for line, owner in existing
        for new in withdrawals(line)
        for event_id in (new.id, _withdrawal_id(new, owner))
    ]
    rows = await pool.fetch(
        "SELECT id FROM public.crm_events "
        "WHERE id = ANY($1::uuid[]) AND event_type = 'consent.withdrawn'",
        ids,
    ) if ids else []  # fmt: skip
    done |= {row["id"] for row in rows}
    left: list[list[NewEvent]] = []
    for line, owner in existing:
        left.append([
            new for new in withdrawals(line)
            if done.isdisjoint((new.id, _withdrawal_id(new, owner)))
        ])  # fmt: skip
        done |= {_withdrawal_id(new, owner) for new in left[-1]}
    return left


async def withdraw_consents(
    pool: asyncpg.Pool, new_events: Sequence[NewEvent], owner: UUID
) -> None:
    """Withdraw the consents of the lead `owner` that these events of its line withdraw."""

    async def work(uow: UnitOfWork) -> None:
        for new in new_events:
            if isinstance(event := new.event, ConsentWithdrawn):
                command = RecordConsent(
                    owner, event.channel, False, event.place, event.at, event.text
                )
                for decided in await uow.execute(command):
                    uow.assign_event_id(decided, _withdrawal_id(new, owner))

    first = new_events[0]
    if first.property_id is None:
        raise RuntimeError("leads are imported into a property")
    scope = Scope(first.org_id, first.property_id, first.occurred_at, first.cause)
    await transact(pool, scope, work)


def _withdrawal_id(new: NewEvent, owner: UUID) -> UUID:
    return uuid5(new.id, f"withdrawn/{owner}")
