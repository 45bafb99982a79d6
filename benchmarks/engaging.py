"""The command of the measurements: it records an engagement, as the API does."""

from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from events.engagements import EngagementType
from events.record import Cause
from services.application.command_handler import transact
from services.application.scope import Scope
from services.application.stream_cache import StreamCache
from services.application.unit_of_work import UnitOfWork
from services.deciders.engagements import RecordEngagement
from services.runtime.clock import Clock


class EngagedLead(NamedTuple):
    """A lead with its organisation and property."""

    org_id: UUID
    property_id: UUID
    lead_id: UUID


async def record_engagement(
    pool: asyncpg.Pool, lead: EngagedLead, kind: EngagementType, cache: StreamCache
) -> UUID:
    """Return the id of the event, after its commit.

    The lead is read if the process does not remember it.
    """
    command = RecordEngagement(uuid7(), lead.lead_id, kind, {"campaign": "spring"})

    async def work(uow: UnitOfWork) -> Any:
        await uow.execute(command)
        return {}

    scope = Scope(lead.org_id, lead.property_id, Clock().now(), Cause("benchmark"))
    result = await transact(pool, scope, work, is_plain=True, cache=cache)
    [(event_id, _)] = result.events
    return event_id
