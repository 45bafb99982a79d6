"""Statistics of a widget, computed in memory from all rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from events.widgets import CHAT_SOURCE, TOUR_SOURCE


@dataclass
class Rows:
    """All rows of the property, by table."""

    tables: dict[str, list[asyncpg.Record]]
    winners: dict[UUID, UUID]

    @classmethod
    async def read(cls, pool: asyncpg.Pool) -> "Rows":
        names = ("leads", "widget_sessions", "conversations", "messages", "tours")
        tables = {name: await pool.fetch(f"SELECT * FROM {name}") for name in names}
        winners = {row["id"]: row["merged_into"] for row in tables["leads"] if row["merged_into"]}
        return cls(tables, winners)

    def count(self, begin: datetime | None, end: datetime | None) -> dict[str, Any]:
        created = {
            name: [row for row in rows if is_between(row["created_at"], begin, end)]
            for name, rows in self.tables.items()
        }
        channels = {row["id"]: row["channel"] for row in self.tables["conversations"]}
        sessions, visits = created["widget_sessions"], self.tables["widget_sessions"]
        visitors = {row["lead_id"] for row in sessions if row["lead_id"]}
        booked = [row for row in created["tours"] if row["created_by"] is None]
        others = {row["lead_id"] for row in booked} | {
            row["id"] for row in created["leads"] if row["source"] in (CHAT_SOURCE, TOUR_SOURCE)
        }
        others -= {row["lead_id"] for row in visits}
        waits = [
            seconds
            for conversation_id, channel in channels.items()
            if channel in ("widget", "chat")
            for seconds in find_waits(
                [m for m in created["messages"] if m["conversation_id"] == conversation_id]
            )
        ]
        return {
            "sessions": len(sessions),
            "converted": len(set(map(self.person, visitors))),
            "leads": len(set(map(self.person, visitors | others))),
            "conversations": sum(
                row["channel"] in ("widget", "chat") for row in created["conversations"]
            ),
            "tours": len(booked),
            "response_seconds": rounded(sum(waits) / len(waits)) if waits else None,
        }

    def person(self, lead_id: UUID) -> UUID:
        while lead_id in self.winners:
            lead_id = self.winners[lead_id]
        return lead_id


def is_between(at: datetime, begin: datetime | None, end: datetime | None) -> bool:
    return (begin is None or at >= begin) and (end is None or at < end)


def find_waits(messages: list[asyncpg.Record]) -> list[float]:
    """Return the seconds from each message of a visitor to the earliest reply that came later."""
    waits = []
    for message in messages:
        replies = [
            reply["created_at"]
            for reply in messages
            if reply["role"] == "assistant" and reply["position"] > message["position"]
        ]
        if message["role"] == "user" and replies:
            waits.append(max(0.0, (min(replies) - message["created_at"]).total_seconds()))
    return waits


def rounded(seconds: Any) -> float | None:
    return None if seconds is None else round(float(seconds), 6)
