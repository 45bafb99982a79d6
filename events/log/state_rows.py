"""The rows beside the log that events change, in the transaction of their append.

They are claims, reserved times, live runs, timers and erasures.
"""

from collections.abc import Sequence

from events.catalog import EVENTS
from events.claims import CLAIM_EVENTS
from events.event import Event
from events.leads import LeadErased
from events.log.claims import update_claims
from events.log.connection import Connection
from events.log.erasures import store_erasures
from events.log.live_runs import RUN_EVENTS, store_live_runs
from events.log.reserved_times import TIME_EVENTS, store_times
from events.log.timers import store_timers
from events.record import NewEvent
from events.timers import TIMER_EVENTS

_CHANGING: tuple[type[Event], ...] = (
    *CLAIM_EVENTS,
    *TIME_EVENTS,
    *RUN_EVENTS,
    *TIMER_EVENTS,
    LeadErased,
)
STATE_EVENTS = frozenset(kind for kind in EVENTS if issubclass(kind, _CHANGING))
"""The classes whose events change such rows. Most events of a history have other ones."""


async def store_state(
    conn: Connection, events: Sequence[NewEvent], claiming: Sequence[NewEvent], contact_key: bytes
) -> None:
    """Apply new events of `STATE_EVENTS`. Raises `ClaimTaken`.

    `claiming` are those of them that may make claims, hashed with `contact_key`.
    """
    await update_claims(conn, claiming, contact_key)
    await store_times(conn, events)
    await store_live_runs(conn, events)
    await store_timers(conn, events)
    await store_erasures(conn, events)
