"""The use case of a producer's new lead whose e-mail address the property knows already."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid5

from events import codec
from events.leads import LeadCaptured
from events.log import commands
from events.log.commands import CommandId, CommandReused, ResultErased
from events.log.errors import IdReused
from services.application.unit_of_work import UnitOfWork
from services.deciders.decided_events import DecisionContext, command_for


@dataclass(frozen=True, slots=True)
class DecidedResult:
    """The result of a producer's event.

    `lead_id` is the lead that the event is about. With `is_known_lead` it is another one than in
    the event: the lead that has its e-mail address. `new` are the events that were appended.
    """

    lead_id: UUID | None
    is_known_lead: bool = False
    new: Sequence[UUID] = ()
    duplicates: Sequence[UUID] = ()


async def complete_known_lead(
    uow: UnitOfWork, event: LeadCaptured, event_id: UUID, context: DecisionContext
) -> DecidedResult | None:
    """Fill the empty details of the lead that has the e-mail address; None if no lead has it.

    No event with the producer's id is appended, so the result is kept under a command id: the
    record is not decided again, also if the address belongs to another lead later.
    """
    command_id = CommandId(uuid5(event_id, "known lead"), codec.digest(event))
    try:
        stored = await commands.find(uow.conn, command_id)
        if stored is None and context.contact_owner is not None:
            stored = await commands.claim(uow.conn, command_id)
    except ResultErased:
        return DecidedResult(None, True, duplicates=(event_id,))
    except CommandReused as reused:
        raise IdReused(event_id) from reused
    if stored is not None:
        return DecidedResult(UUID(stored["leadId"]), True, duplicates=(event_id,))
    if context.contact_owner is None:
        return None
    await uow.execute(command_for(event, context))
    owner = context.contact_owner
    subject_ids = (owner, uow.scope.property_id)
    await commands.settle(uow.conn, command_id, {"leadId": str(owner)}, subject_ids)
    return DecidedResult(owner, True)
