"""The states of the messages to a lead: why each one has its state, and what happens next.

They are made from the log and not from tables, so they show what the sender decides from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from events.deliveries import DeliveryPlanned
from events.event import Event
from events.log import read
from events.log.connection import Connection
from events.record import RecordedEvent, Stream
from services.deciders.delivery_steps import SETTLING, DeliveryStep, explain, step_of

MAX_STATES = 200


@dataclass(frozen=True, slots=True)
class MessageState:
    """The state of one message, and its history, oldest first.

    `last` is the newest step. Its `next_at` is when the sender looks at the message again: the due
    time, the next lawful time of a held message, or the next attempt. `settling` says how an
    unknown hand-over can be settled.
    """

    org_id: UUID
    property_id: UUID
    planned: DeliveryPlanned
    planned_at: datetime
    last: DeliveryStep
    explanation: str
    settling: str | None
    history: Sequence[DeliveryStep]


async def list_message_states(
    conn: Connection, org_id: UUID, lead_ids: Sequence[UUID], limit: int = MAX_STATES
) -> list[MessageState]:
    """Return the states of the newest messages to a person, newest first.

    `lead_ids` are all leads of the person.
    """
    rows = await conn.fetch(
        "SELECT entity_id FROM public.crm_events WHERE lead_id = ANY($1::uuid[]) AND org_id = $2 "
        "AND event_type = $3 ORDER BY seq DESC LIMIT $4",
        list(lead_ids),
        org_id,
        DeliveryPlanned.name,
        limit,
    )
    return await load_message_states(conn, [row["entity_id"] for row in rows])


async def load_message_states(conn: Connection, ids: Sequence[UUID]) -> list[MessageState]:
    """Return the states of these messages, in the order of the ids."""
    histories: dict[UUID, list[RecordedEvent]] = {key: [] for key in ids}
    for recorded in await read.streams(conn, [Stream("delivery", key) for key in histories]):
        histories[recorded.entity_id].append(recorded)
    return [state for history in histories.values() if (state := build_state(history))]


def build_state(history: Sequence[RecordedEvent]) -> MessageState | None:
    """Return the state of the delivery with this history; None if it was never planned."""
    steps = [
        step_of(recorded.event, recorded.occurred_at, recorded.actor)
        for recorded in history
        if isinstance(recorded.event, Event)
    ]
    first = history[0] if history else None
    if first is None or first.property_id is None or not isinstance(first.event, DeliveryPlanned):
        return None
    last = steps[-1]
    settling = SETTLING if last.status == "unknown" else None
    return MessageState(
        first.org_id, first.property_id, first.event, steps[0].at, last, explain(last), settling,
        tuple(steps),
    )  # fmt: skip


def state_fields(state: MessageState) -> dict[str, Any]:
    """Return a state as JSON values, with names in snake_case."""
    planned, last = state.planned, state.last
    return {
        "id": planned.delivery_id,
        "lead_id": planned.lead_id,
        "channel": planned.channel.value,
        "purpose": planned.purpose.value,
        "message_class": planned.message_class.value if planned.message_class else None,
        "status": last.status,
        "reason": last.reason,
        "explanation": state.explanation,
        "values": last.values,
        "planned_at": state.planned_at,
        "due_at": planned.due_at,
        "next_at": last.next_at,
        "useful_until": planned.useful_until,
        "settling": state.settling,
        "subject": planned.subject,
        "run_id": planned.run_id,
        "step_number": planned.step_number,
        "tour_id": planned.tour_id,
        "tour_revision": planned.tour_revision,
        "template_id": planned.template_id,
        "template_version": planned.template_version,
        "requested_by": planned.requested_by,
        "history": [step._asdict() for step in state.history],
    }
