"""The use case of an erasure: forget the personal data of one person."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias
from uuid import UUID

from events.consents import ConsentChannel, consent_id
from events.log.locks import lock_order
from projections.catalog import LIVE
from services.application.contact_opt_outs import store_contact_decision
from services.application.merged_leads import list_members
from services.application.runs import list_live_runs
from services.application.unit_of_work import UnitOfWork
from services.deciders import consents, leads
from services.deciders.erasures import ERASED, WHY_ERASED, ErasedLead, EraseLeads
from services.deciders.hand_overs import SkipDelivery
from services.deciders.runs import ExitRun


async def erase(
    uow: UnitOfWork, lead_id: UUID, *, reason: str, by: UUID | None
) -> tuple[ErasedLead, ...]:
    """Erase the person of a lead; return its leads with their sessions and conversations.

    That is the surviving lead and all leads merged into it. Their runs stop and their planned
    messages are not sent. A repetition erases only what was linked to the person since. Nothing
    else is appended to the property meanwhile. Raises `Refused`.
    """
    await lock_order(uow.conn, [uow.scope.property_id])
    survivor = await uow.surviving_lead(lead_id)
    members = await list_members(uow, survivor)
    person = await _find_chats(uow, members)
    await keep_opt_outs(uow, await _read_contacts(uow, members))
    for member in members:
        for run_id in await list_live_runs(uow, member):
            await uow.execute(ExitRun(run_id, member, ERASED, WHY_ERASED))
    for delivery_id in await _list_unsent_messages(uow, members):
        await uow.execute(SkipDelivery(delivery_id, ERASED, WHY_ERASED, skipped_by=by))
    await uow.execute(EraseLeads(person, reason, by))
    return person


async def find_erasable(uow: UnitOfWork, lead_id: UUID) -> tuple[ErasedLead, ...]:
    """Return what an erasure of the person of a lead would erase. Raises `Refused`."""
    members = await list_members(uow, await uow.surviving_lead(lead_id))
    return await _find_chats(uow, members)


Contacts: TypeAlias = Mapping[UUID, Mapping[str, Any]]
"""Lead → its values of `email` and `phone`."""


async def _read_contacts(uow: UnitOfWork, members: Sequence[UUID]) -> Contacts:
    return {member: (await uow.load(leads.decider, member)).details for member in members}


async def keep_opt_outs(uow: UnitOfWork, contacts: Contacts) -> None:
    """Keep the hashes of the contacts to which a person with these leads wants no messages."""
    scope = uow.scope
    for channel, field in ((ConsentChannel.EMAIL, "email"), (ConsentChannel.SMS, "phone")):
        for lead_id in contacts:
            consent = await uow.load(consents.decider, consent_id(lead_id, channel))
            if consent.given is not False or consent.at is None:
                continue
            found = {str(values[field]) for values in contacts.values() if values.get(field)}
            for contact in found:
                await store_contact_decision(
                    uow.conn, scope.org_id, channel, contact, False, consent.at, ERASED
                )


async def _find_chats(uow: UnitOfWork, members: Sequence[UUID]) -> tuple[ErasedLead, ...]:
    """Return the leads with every session and conversation that was ever linked to them.

    A conversation of their sessions that was never linked is found in the table, or in the log
    behind the checkpoint of the table.
    """
    rows = await uow.conn.fetch(
        """
        WITH linked AS (
          SELECT lead_id, entity_type, entity_id, payload FROM public.crm_events
          WHERE lead_id = ANY($1::uuid[]) AND property_id = $2
            AND entity_type IN ('session', 'conversation')),
        sessions AS (
          SELECT lead_id, entity_id AS id FROM linked WHERE entity_type = 'session'
          UNION
          SELECT lead_id, (payload ->> 'session_id')::uuid FROM linked
          WHERE entity_type = 'conversation' AND payload ->> 'session_id' IS NOT NULL)
        SELECT lead_id, 'session' AS kind, id FROM sessions
        UNION
        SELECT lead_id, 'conversation', entity_id FROM linked WHERE entity_type = 'conversation'
        UNION
        SELECT lead_id, 'conversation', key::uuid
        FROM linked, jsonb_array_elements_text(payload -> 'conversation_ids') AS key
        WHERE entity_type = 'session' AND payload ? 'conversation_ids'
        UNION
        SELECT s.lead_id, 'conversation', c.id
        FROM public.conversations c JOIN sessions s ON c.widget_session_id = s.id
        UNION
        SELECT s.lead_id, 'conversation', e.entity_id
        FROM public.crm_events e JOIN sessions s ON (e.payload ->> 'session_id')::uuid = s.id
        WHERE e.entity_type = 'conversation' AND e.shard = crm.shard_of($2)
          AND (e.position IS NULL OR e.position > coalesce((SELECT position FROM crm.checkpoints
            WHERE projection_group = $3 AND shard = crm.shard_of($2)), 0))
        ORDER BY 1, 2, 3
        """,
        list(members),
        uow.scope.property_id,
        LIVE.name,
    )
    found: dict[tuple[UUID, str], list[UUID]] = defaultdict(list)
    for row in rows:
        found[row["lead_id"], row["kind"]].append(row["id"])
    return tuple(
        ErasedLead(member, tuple(found[member, "session"]), tuple(found[member, "conversation"]))
        for member in members
    )


async def _list_unsent_messages(uow: UnitOfWork, members: Sequence[UUID]) -> list[UUID]:
    """Return the deliveries whose last event says that they are to be sent later."""
    rows = await uow.conn.fetch(
        "SELECT entity_id FROM (SELECT DISTINCT ON (entity_id) entity_id, event_type "
        "FROM public.crm_events WHERE lead_id = ANY($1::uuid[]) AND entity_type = 'delivery' "
        "ORDER BY entity_id, version DESC) AS newest "
        "WHERE event_type IN ('delivery.planned', 'delivery.held', 'delivery.released') "
        "ORDER BY entity_id",
        list(members),
    )
    return [row["entity_id"] for row in rows]
