"""Decided events: the producer says that it happened, and the core's decider must agree."""

import asyncpg

from events.log.errors import Conflict
from services.application.decided_events import handle_decided_event
from services.deciders import decider
from services.intake.observed import RECORD_ERRORS, rejection_of
from services.intake.outcome import IntakeItem
from services.intake.rejection import RejectedRecord, RejectionReason


async def append_decided(pool: asyncpg.Pool, item: IntakeItem) -> None:
    """Decide one event and give the item its outcome. Raise connection errors of the database."""
    new = item.new_event
    if new.property_id is None:
        raise RuntimeError(f"the event of record {item.record.id} has no property")
    try:
        result = await handle_decided_event(
            pool,
            new.event,
            event_id=new.id,
            org_id=new.org_id,
            property_id=new.property_id,
            occurred_at=new.occurred_at,
            cause=new.cause,
        )
    except decider.UnknownSubject as unknown:
        item.wait_for(unknown.stream)
    except decider.Refused as refused:
        item.reject(RejectedRecord(RejectionReason.DISAGREED, refused.message, code=refused.code))
    except Conflict as conflict:
        item.reject(RejectedRecord(RejectionReason.CONFLICT, str(conflict)))
    except RECORD_ERRORS as error:
        item.reject(rejection_of(error))
    else:
        item.accept(is_duplicate=new.id not in result.new)
