"""Counts of the messages to a person and of a property, read from the log for the rules of sending.

A sender has the timer lock of the property while it counts and claims, so two senders cannot both
take the last place of a limit.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from events.deliveries import DeliveryChannel, MessageClass
from events.log.connection import Connection
from services.deciders.sending_rules.context import SentMessage, Takeover, Traffic

SENT_DAYS = 9
"""Days of the person's history that the frequency caps need: seven local days, in any zone."""
MAX_SENT = 5_000
LEAD_TRAFFIC = timedelta(minutes=15)
HOUR = timedelta(hours=1)
MEAN_HOURS = 7 * 24
MAX_COUNTED = 1_000_000
MAX_CACHED = 10_000

_HOURLY_MEANS: dict[tuple[UUID, datetime], float] = {}
"""Means of past hours, which do not change any more, by property and current hour."""


async def load_sent(conn: Connection, person: Sequence[UUID], now: datetime) -> list[SentMessage]:
    """Return the messages to the leads of a person that left, or may have left, in the last days.

    A message that the provider gave back or refused is not one.
    """
    rows = await conn.fetch(
        """
        SELECT claimed.occurred_at, planned.payload->>'channel' AS channel,
          planned.payload->>'message_class' AS message_class
        FROM public.crm_events claimed
        JOIN public.crm_events planned ON planned.entity_type = 'delivery'
          AND planned.entity_id = claimed.entity_id AND planned.version = 1
        WHERE claimed.entity_type = 'delivery' AND claimed.lead_id = ANY($1::uuid[])
          AND claimed.event_type = 'delivery.claimed' AND claimed.occurred_at > $2
          AND NOT EXISTS (SELECT FROM public.crm_events later
            WHERE later.entity_type = 'delivery' AND later.entity_id = claimed.entity_id
              AND later.version = claimed.version + 1
              AND later.event_type IN ('delivery.released', 'delivery.failed'))
        ORDER BY claimed.occurred_at DESC LIMIT $3
        """,
        list(person),
        now - timedelta(days=SENT_DAYS),
        MAX_SENT,
    )
    return [
        SentMessage(
            row["occurred_at"], DeliveryChannel(row["channel"]),
            MessageClass(row["message_class"] or MessageClass.CONVERSATIONAL),
        )
        for row in rows
    ]  # fmt: skip


async def load_traffic(
    conn: Connection, person: Sequence[UUID], property_id: UUID, now: datetime
) -> Traffic:
    """Return the numbers that the breakers compare.

    A message counts when it is due: a booking plans reminders for days to come. One that was
    planned earlier counts when it is claimed. A test of a template goes to nobody's lead and does
    not count for a person.
    """
    rows = await conn.fetch(
        "SELECT event_type, at FROM (SELECT event_type, CASE event_type WHEN 'delivery.planned' "
        "THEN (payload->>'due_at')::timestamptz ELSE occurred_at END AS at "
        "FROM public.crm_events WHERE entity_type = 'delivery' AND lead_id = ANY($1::uuid[]) "
        "AND event_type IN ('delivery.planned', 'delivery.claimed') "
        "AND payload->>'purpose' NOT IN ('conversation', 'test')) AS traffic "
        "WHERE at > $2 AND at <= $3 ORDER BY at DESC LIMIT $4",
        list(person),
        now - LEAD_TRAFFIC,
        now,
        MAX_SENT,
    )
    planned, claimed = (
        [row["at"] for row in rows if row["event_type"] == f"delivery.{name}"]
        for name in ("planned", "claimed")
    )
    counts = [
        await _count(conn, property_id, f"delivery.{name}", now) for name in ("planned", "claimed")
    ]
    mean = await _load_hourly_mean(conn, property_id, now)
    return Traffic(planned, claimed, counts[0], counts[1], mean)


async def load_takeover(conn: Connection, person: Sequence[UUID]) -> Takeover | None:
    """Return the last time an agent took over a chat of the person."""
    rows = await conn.fetch(
        "SELECT entity_id, event_type, occurred_at FROM public.crm_events "
        "WHERE lead_id = ANY($1::uuid[]) AND event_type = ANY($2::text[]) "
        "ORDER BY occurred_at DESC, seq DESC LIMIT $3",
        list(person),
        ["conversation.taken_over", "conversation.released"],
        MAX_SENT,
    )
    released: set[UUID] = set()
    for row in rows:
        if row["event_type"] == "conversation.taken_over":
            return Takeover(row["occurred_at"], row["entity_id"] not in released)
        released.add(row["entity_id"])
    return None


async def _count(conn: Connection, property_id: UUID, event_type: str, now: datetime) -> int:
    number: int = await conn.fetchval(
        "SELECT count(*) FROM (SELECT FROM public.crm_events WHERE property_id = $1 "
        "AND event_type = $2 AND occurred_at > $3 AND occurred_at <= $4 "
        "AND coalesce((payload->>'due_at')::timestamptz <= $4, true) LIMIT $5) AS counted",
        property_id,
        event_type,
        now - HOUR,
        now,
        MAX_COUNTED,
    )
    return number


async def _load_hourly_mean(conn: Connection, property_id: UUID, now: datetime) -> float:
    """Return how many messages the property planned in an hour of the last week, on average.

    The week of a property that is younger begins with its first message.
    """
    hour = now.replace(minute=0, second=0, microsecond=0)
    if (property_id, hour) not in _HOURLY_MEANS:
        row = await conn.fetchrow(
            "SELECT count(*) AS number, min(occurred_at) AS first FROM public.crm_events "
            "WHERE property_id = $1 AND event_type = 'delivery.planned' "
            "AND occurred_at >= $2 AND occurred_at < $3",
            property_id,
            hour - timedelta(hours=MEAN_HOURS),
            hour,
        )
        mean = 0.0
        if row is not None and row["number"]:
            mean = row["number"] / max(1.0, (hour - row["first"]) / HOUR)
        if len(_HOURLY_MEANS) >= MAX_CACHED:
            _HOURLY_MEANS.clear()
        _HOURLY_MEANS[property_id, hour] = mean
    return _HOURLY_MEANS[property_id, hour]
