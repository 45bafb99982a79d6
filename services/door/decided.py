"""Decided events: the producer says that it happened, the core's decider must agree."""

import asyncpg

from services.door.observed import GUILTY, refusal_of
from services.door.outcome import Item
from services.door.refusal import Reason, Refused


async def take_in(pool: asyncpg.Pool, item: Item) -> None:
    """Have one event decided; the item ends. Raises what the database raises when it is away."""
    fact = item.fact
    try:
        item.refuse(Refused(Reason.DISAGREED, f"{fact.event.name} cannot be decided yet"))
    except GUILTY as error:
        item.refuse(refusal_of(error))
