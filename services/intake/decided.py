"""Decided events: the producer says that it happened, the core's decider must agree."""

import asyncpg

from events.log.errors import Conflict
from services.application.decided_events import handle_proposal
from services.deciders import decider
from services.intake.observed import BAD_ROW_ERRORS, refusal_of
from services.intake.outcome import Item
from services.intake.rejection import Reason, Refused


async def take_in(pool: asyncpg.Pool, item: Item) -> None:
    """Have one event decided; the item ends. Raises what the database raises when it is away."""
    recorded = item.recorded
    if recorded.property_id is None:
        raise RuntimeError("what producers say is about a property")
    try:
        done = await handle_proposal(
            pool,
            recorded.event,
            event_id=recorded.id,
            org_id=recorded.org_id,
            property_id=recorded.property_id,
            occurred_at=recorded.occurred_at,
            cause=recorded.cause,
        )
    except decider.UnknownSubject as unknown:
        item.wait(unknown.stream)
    except decider.Refused as refused:
        item.refuse(Refused(Reason.DISAGREED, refused.message, code=refused.code))
    except Conflict as conflict:
        item.give_up(Reason.CONFLICT, str(conflict))
    except BAD_ROW_ERRORS as error:
        item.refuse(refusal_of(error))
    else:
        item.accept(known=recorded.id not in done.new)
