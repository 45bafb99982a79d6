"""What the host's other code writes into the tables it shares with the core, whatever was told."""

from uuid import uuid4

from events.log.connection import Connection
from tests.replay_determinism.property import Conversation, HostProperty, Step

STATUS = ("new", "contacted", "leased", "lost")


async def write_as_host(conn: Connection, host_property: HostProperty, said: Step) -> None:
    """A new row, or an edit of one that is there: only the host's own are, before delivery."""
    at = host_property.clock(said.when)
    leads, talks = host_property.hosted_leads, host_property.hosted_talks
    match said.how % 6:
        case 0 | 1:
            host_property.leads.append(uuid4())
            leads.append(host_property.leads[-1])
            await conn.execute(
                "INSERT INTO leads (id, property_id, source, first_name, email, status, created_at)"
                " VALUES ($1, $2, 'Meta', 'Ada', $3, $4, $5)",
                leads[-1], host_property.id, f"host{next(host_property.numbers)}@example.com",
                STATUS[said.whom % 4], at,
            )  # fmt: skip
        case 2:
            lead_id = leads[said.whom % len(leads)] if leads else None
            host_property.conversations.append(Conversation(uuid4(), None, lead_id))
            talks.append(host_property.conversations[-1].id)
            await conn.execute(
                "INSERT INTO conversations (id, lead_id, property_id, channel, created_at) "
                "VALUES ($1, $2, $3, 'sms', $4)",
                talks[-1], lead_id, host_property.id, at,
            )  # fmt: skip
        case 3 if talks:
            key = uuid4()
            await conn.execute(
                "INSERT INTO messages (id, conversation_id, role, content, created_at) "
                "VALUES ($1, $2, 'user', 'one', $3)",
                key, talks[said.whom % len(talks)], at,
            )  # fmt: skip
            if said.how % 4:
                await conn.execute("UPDATE messages SET content = 'two' WHERE id = $1", key)
        case 4 if talks:
            await conn.execute(
                "UPDATE conversations SET is_human_mode = NOT is_human_mode, human_agent_id = $2 "
                "WHERE id = $1",
                talks[said.whom % len(talks)], host_property.agent(said.how),
            )  # fmt: skip
        case 5 if leads:
            await conn.execute(
                "UPDATE leads SET status = $2, notes = coalesce(notes, '') || 'x', "
                "email = nullif(email, $3), last_contacted_at = $4 WHERE id = $1",
                leads[said.whom % len(leads)], STATUS[said.how % 4],
                f"host{said.whom}@example.com", at,
            )  # fmt: skip
