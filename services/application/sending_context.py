"""Loads what the rules of sending compare, for one message at one instant.

Consents, lead, run, tour and template come from streams of the log, so that the append guards
them: an opt-out, the end of a run or a cancelled tour between this read and the claim is a
conflict, and the rules are asked again.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from events.consents import ConsentChannel, ConsentGiven, ConsentWithdrawn, consent_id
from events.deliveries import DeliveryChannel, DeliveryPlanned
from events.record import Stream
from services.application.consent_decisions import load_decisions
from services.application.contact_leads import find_contact_leads
from services.application.contact_opt_outs import load_contact_opt_out
from services.application.outgoing_messages import find_address
from services.application.sent_messages import load_sent, load_takeover, load_traffic
from services.application.stop_switches import find_stop
from services.application.unit_of_work import UnitOfWork
from services.deciders import leads, runs, templates, tour_bookings
from services.deciders.deliveries import find_recipient
from services.deciders.sending_rules.context import ConsentDecision, SendingContext
from services.deciders.sending_rules.property_rules import read_property_rules
from services.host import load_property


async def load_context(uow: UnitOfWork, planned: DeliveryPlanned) -> SendingContext:
    """Return what the rules compare for a planned message, at the instant of the unit of work."""
    history = await uow.history(Stream("delivery", planned.delivery_id))
    values = await load_values(uow, planned)
    return SendingContext(uow.scope.at, planned, history[0].occurred_at, **values)


async def load_values(uow: UnitOfWork, planned: DeliveryPlanned) -> dict[str, Any]:
    """Return the fields of the context that do not depend on the message's own stream."""
    person, values = await load_person(uow, planned)
    counts = await load_counts(uow, person, uow.scope.at)
    return {**values, **counts, **await load_subjects(uow, planned)}


async def load_person(
    uow: UnitOfWork, planned: DeliveryPlanned
) -> tuple[Sequence[UUID], dict[str, Any]]:
    """Return the leads of the person, and the fields that are the same for all its messages.

    They are the same for one lead, channel and recipient, at any instant.
    """
    conn, property_id = uow.conn, uow.scope.property_id
    host_property = await load_property(conn, property_id)
    above = [planned.lead_id, *await uow.leads_above(planned.lead_id)]
    lead = await uow.load(leads.decider, above[-1])
    recipient = await find_address(uow, planned)
    by_property = await _find_contacts(uow, planned.channel, recipient)
    person = list(dict.fromkeys([*above, *by_property.pop(property_id, ())]))
    values: dict[str, Any] = {
        "recipient": recipient,
        "is_restricted": lead.is_restricted,
        "rules": read_property_rules(host_property.settings),
        "property_zone": host_property.zone_name,
        "lead_zone": lead.details.get(leads.ZONE),
        "lead_phone": find_recipient(lead, DeliveryChannel.SMS),
        "takeover": await load_takeover(conn, person),
        "stop": await find_stop(conn, property_id),
    }
    if planned.channel is not DeliveryChannel.WEBHOOK:
        channel = ConsentChannel(planned.channel)
        others = [lead_id for lead_ids in by_property.values() for lead_id in lead_ids]
        values["consents"] = [
            *await _load_consents(uow, person, above, channel),
            *await load_decisions(conn, channel, others),
            *(
                await load_contact_opt_out(conn, uow.scope.org_id, channel, recipient)
                if recipient
                else ()
            ),
        ]
    return person, values


async def load_counts(uow: UnitOfWork, person: Sequence[UUID], at: datetime) -> dict[str, Any]:
    """Return the fields that count messages up to an instant."""
    return {
        "sent": await load_sent(uow.conn, person, at),
        "traffic": await load_traffic(uow.conn, person, uow.scope.property_id, at),
    }


async def load_subjects(uow: UnitOfWork, planned: DeliveryPlanned) -> dict[str, Any]:
    """Return the fields for the run, the tour and the template of a message."""
    values: dict[str, Any] = {}
    if planned.run_id is not None:
        values["run"] = (await uow.load(runs.decider, planned.run_id)).status
    if planned.tour_id is not None:
        values["tour"] = await uow.load(tour_bookings.decider, planned.tour_id)
    if planned.template_id is not None:
        values["template"] = await uow.load(templates.decider, planned.template_id)
    return values


async def _find_contacts(
    uow: UnitOfWork, channel: DeliveryChannel, contact: str | None
) -> dict[UUID, Sequence[UUID]]:
    """Return property → the leads of the organisation that may be the person: equal contacts.

    A person may come again as another lead, by an import or in another property. An opt-out acts on
    all properties in one transaction, so the guard of the message's own lead stands for those of
    other properties.
    """
    if channel is DeliveryChannel.WEBHOOK or not contact:
        return {}
    org_id = uow.scope.org_id
    return dict(await find_contact_leads(uow.conn, org_id, ConsentChannel(channel), contact))


async def _load_consents(
    uow: UnitOfWork, person: Sequence[UUID], own: Sequence[UUID], channel: ConsentChannel
) -> list[ConsentDecision]:
    """Return the newest decision of each lead of the person, if there is one."""
    streams = {lead_id: Stream("consent", consent_id(lead_id, channel)) for lead_id in person}
    await uow.read_ahead(streams.values())
    decisions: list[ConsentDecision] = []
    for lead_id, stream in streams.items():
        newest = [
            ConsentDecision(
                isinstance(recorded.event, ConsentGiven), recorded.event.at, lead_id in own
            )
            for recorded in await uow.history(stream)
            if isinstance(recorded.event, ConsentGiven | ConsentWithdrawn)
        ]
        decisions += newest[-1:]
    return decisions
