"""Consent by contact: one decision acts on every lead of an organisation with that contact."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

import asyncpg

from events.consents import ConsentChannel, consent_id
from events.log.commands import CommandId
from events.record import Cause
from services.application.command_handler import transact
from services.application.contact_leads import find_contact_leads, keep_leads_with_contact
from services.application.scope import Scope
from services.application.unit_of_work import UnitOfWork
from services.deciders import consents
from services.deciders.consents import RecordConsent

SMS_REPLY = "sms_reply"
"""The place of a decision that a person sent by SMS."""


@dataclass(frozen=True, slots=True)
class ContactDecision:
    """A change of a contact: consent was given or withdrawn, or neither (`given` is None).

    `cause_id` is the id of what happened. A repetition with the same id changes nothing. `lead` is
    a (property, lead) that is meant in any case, also if it has another contact by now. With
    `repeats` False, a decision that is in force already is not recorded again.
    """

    cause_id: UUID
    org_id: UUID
    channel: ConsentChannel
    contact: str
    given: bool | None
    place: str
    at: datetime
    actor: str
    text: str | None = None
    keyword: str | None = None
    source: str | None = None
    lead: tuple[UUID, UUID] | None = None
    repeats: bool = True


More = Callable[[UnitOfWork, Sequence[UUID]], Awaitable[None]]
"""A function that decides more in the transaction of one property, with its leads."""


async def decide_for_contact(
    conn: asyncpg.Connection, decision: ContactDecision, more: More | None = None
) -> int:
    """Record a decision for each lead with the contact; return the number of leads.

    All properties are in one transaction: none of them keeps an older consent after a crash.
    Raises `Conflict`.
    """
    number = 0
    digest = hashlib.sha256(f"{decision.contact}/{decision.text}".encode()).digest()
    async with conn.transaction():
        found = await find_contact_leads(conn, decision.org_id, decision.channel, decision.contact)
        targets = {property_id: [*lead_ids] for property_id, lead_ids in found.items()}
        if decision.lead is not None:
            targets.setdefault(decision.lead[0], []).append(decision.lead[1])
        # Always in the same order: two transactions cannot wait for each other.
        for property_id in sorted(targets):

            async def work(uow: UnitOfWork, lead_ids: Sequence[UUID] = targets[property_id]) -> int:
                return await _decide(uow, lead_ids, decision, more)

            cause = Cause(decision.actor, correlation_id=decision.cause_id)
            scope = Scope(decision.org_id, property_id, decision.at, cause)
            command_id = CommandId(uuid5(decision.cause_id, str(property_id)), digest)
            number += (await transact(conn, scope, work, command_id=command_id)).result
    return number


async def _decide(
    uow: UnitOfWork, lead_ids: Sequence[UUID], decision: ContactDecision, more: More | None
) -> int:
    kept = await keep_leads_with_contact(uow, lead_ids, decision.channel, decision.contact)
    if decision.lead is not None and decision.lead[0] == uow.scope.property_id:
        survivor = await uow.surviving_lead(decision.lead[1])
        kept = list(dict.fromkeys([*kept, survivor]))
    for lead_id in kept if decision.given is not None else ():
        before = await uow.load(consents.decider, consent_id(lead_id, decision.channel))
        if before.at is not None and before.at > decision.at:
            continue  # the person has decided again since
        if before.given is decision.given and not decision.repeats:
            continue
        await uow.execute(RecordConsent(
            lead_id, decision.channel, decision.given is True, decision.place, decision.at,
            decision.text, decision.keyword, source=decision.source,
        ))  # fmt: skip
    if more is not None and kept:
        await more(uow, kept)
    return len(kept)
