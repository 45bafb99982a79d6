"""Writes of the host into the tables that it shares with the core."""

from uuid import uuid4

from events.log.connection import Connection
from tests.replay_determinism.property import Conversation, HistoryStep, PropertyModel

STATUSES = ("new", "contacted", "leased", "lost")


async def write_as_host(conn: Connection, model: PropertyModel, step: HistoryStep) -> None:
    """Insert or change a row of the host; before delivery, only its own rows exist."""
    at = model.clock(step.timing)
    leads, conversations = model.host_leads, model.host_conversations
    match step.variant % 6:
        case 0 | 1:
            model.leads.append(uuid4())
            leads.append(model.leads[-1])
            await conn.execute(
                "INSERT INTO leads (id, property_id, source, first_name, email, status, created_at)"
                " VALUES ($1, $2, 'Meta', 'Ada', $3, $4, $5)",
                leads[-1], model.id, f"host{next(model.numbers)}@example.com",
                STATUSES[step.target % 4], at,
            )  # fmt: skip
        case 2:
            lead_id = leads[step.target % len(leads)] if leads else None
            model.conversations.append(Conversation(uuid4(), None, lead_id))
            conversations.append(model.conversations[-1].id)
            await conn.execute(
                "INSERT INTO conversations (id, lead_id, property_id, channel, created_at) "
                "VALUES ($1, $2, $3, 'sms', $4)",
                conversations[-1], lead_id, model.id, at,
            )  # fmt: skip
        case 3 if conversations:
            key = uuid4()
            await conn.execute(
                "INSERT INTO messages (id, conversation_id, role, content, created_at) "
                "VALUES ($1, $2, 'user', 'one', $3)",
                key, conversations[step.target % len(conversations)], at,
            )  # fmt: skip
            if step.variant % 4:
                await conn.execute("UPDATE messages SET content = 'two' WHERE id = $1", key)
        case 4 if conversations:
            await conn.execute(
                "UPDATE conversations SET is_human_mode = NOT is_human_mode, human_agent_id = $2 "
                "WHERE id = $1",
                conversations[step.target % len(conversations)], model.agent(step.variant),
            )  # fmt: skip
        case 5 if leads:
            await conn.execute(
                "UPDATE leads SET status = $2, notes = coalesce(notes, '') || 'x', "
                "email = nullif(email, $3), last_contacted_at = $4 WHERE id = $1",
                leads[step.target % len(leads)], STATUSES[step.variant % 4],
                f"host{step.target}@example.com", at,
            )  # fmt: skip
