"""Whose property is it, who is one of theirs, what have they said? Asked of the host's tables."""

import time
from collections.abc import Iterable
from functools import cache
from uuid import UUID

from events.event import Event
from events.log.connection import Connection

REMEMBER_SECONDS = 30.0
REMEMBERED_AT_MOST = 100_000
PEOPLE = frozenset({"agent_id", "assigned_agent_id"})
"""Besides what ends in `_by`: the fields that name a profile."""


class Tenants:
    """Property → organisation, remembered briefly. What is not there is asked again each time."""

    def __init__(self) -> None:
        self._orgs: dict[UUID, UUID] = {}
        self._until = 0.0

    async def orgs_of(self, conn: Connection, properties: Iterable[UUID]) -> dict[UUID, UUID]:
        """Property → its organisation, for those that exist."""
        now = time.monotonic()
        if now > self._until or len(self._orgs) > REMEMBERED_AT_MOST:
            self._orgs.clear()
            self._until = now + REMEMBER_SECONDS
        wanted = set(properties)
        if missing := wanted - self._orgs.keys():
            rows = await conn.fetch(
                "SELECT id, org_id FROM public.properties "
                "WHERE id = ANY($1::uuid[]) AND org_id IS NOT NULL",
                list(missing),
            )
            self._orgs |= {row["id"]: row["org_id"] for row in rows}
        return {key: self._orgs[key] for key in wanted & self._orgs.keys()}


def people_in(event: Event) -> set[UUID]:
    """The profiles an event names: rows made of it refer to them."""
    named = (getattr(event, field) for field in _fields_of_people(type(event)))
    return {key for key in named if key is not None}


@cache
def _fields_of_people(kind: type[Event]) -> tuple[str, ...]:
    return tuple(name for name in kind.model_fields if name.endswith("_by") or name in PEOPLE)


async def strangers(conn: Connection, org_id: UUID, people: Iterable[UUID]) -> set[UUID]:
    """Those of `people` that are no profiles of the organisation."""
    wanted = set(people)
    if not wanted:
        return set()
    rows = await conn.fetch(
        "SELECT id FROM public.profiles WHERE id = ANY($1::uuid[]) AND org_id = $2",
        list(wanted),
        org_id,
    )
    return wanted - {row["id"] for row in rows}


async def hosts_own(conn: Connection, messages: Iterable[UUID]) -> set[UUID]:
    """Those of `messages` that are rows of the host which no fact has adopted (yet).

    Nothing is looked up where only the core writes.
    """
    wanted = set(messages)
    if not wanted:
        return set()
    rows = await conn.fetch(
        "SELECT id FROM public.messages WHERE id = ANY($1::uuid[]) AND org_id IS NULL "
        "AND (SELECT state <> 'none' FROM crm.adoption)",
        list(wanted),
    )
    return {row["id"] for row in rows}
