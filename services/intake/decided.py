"""Decided events: the producer says that it happened, the core's decider must agree."""

import asyncpg

from events.log.errors import Conflict
from services.application.decided_events import handle_proposal
from services.deciders import decider
from services.intake.observed import GUILTY, refusal_of
from services.intake.outcome import Item
from services.intake.rejection import Reason, Refused


async def take_in(pool: asyncpg.Pool, item: Item) -> None:
    """Have one event decided; the item ends. Raises what the database raises when it is away."""
    fact = item.fact
    if fact.property_id is None:
        raise RuntimeError("what producers say is about a property")
    try:
        done = await handle_proposal(
            pool,
            fact.event,
            event_id=fact.id,
            org_id=fact.org_id,
            property_id=fact.property_id,
            occurred_at=fact.occurred_at,
            cause=fact.cause,
        )
    except decider.UnknownSubject as unknown:
        item.wait(unknown.stream)
    except decider.Refused as refused:
        item.refuse(Refused(Reason.DISAGREED, refused.message, code=refused.code))
    except Conflict as conflict:
        item.give_up(Reason.CONFLICT, str(conflict))
    except GUILTY as error:
        item.refuse(refusal_of(error))
    else:
        item.accept(known=fact.id not in done.new)
