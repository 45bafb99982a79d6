"""The rows of plain appends, and the statement that appends them."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import orjson

from events.keys.ring import NewKey
from events.log.connection import Connection
from events.log.event_rows import as_bytea
from events.record import Stream

_PLACES = ", ".join(f"${number}" for number in range(1, 13))
_APPEND = f"SELECT crm.append_plain({_PLACES})"
_APPEND_SOON = f"SELECT set_config('lock_timeout', $13, true), crm.append_plain({_PLACES})"


class StreamLock(NamedTuple):
    """The mode of a lock, with the version and the newest event that its stream must have."""

    shared: bool
    version: int | None
    newest: UUID | None


@dataclass(slots=True)
class PlainRows:
    """The rows of one append or of several, with all that is compared before they are inserted."""

    locks: dict[Stream, StreamLock] = field(default_factory=dict)
    properties: list[UUID] = field(default_factory=list)
    event_ids: list[UUID] = field(default_factory=list)
    subjects: list[UUID] = field(default_factory=list)
    used_keys: list[UUID] = field(default_factory=list)
    messages: list[UUID] = field(default_factory=list)
    new_keys: dict[UUID, NewKey] = field(default_factory=dict)
    """Data subject → its new key."""
    events: list[dict[str, Any]] = field(default_factory=list)

    def can_join(self, other: "PlainRows") -> bool:
        """Return whether one statement can append both: none changes what the other one needs."""
        for stream, lock in other.locks.items():
            own = self.locks.get(stream)
            if own is not None and not (lock.shared and own == lock):
                return False
        return self.new_keys.keys().isdisjoint(other.new_keys)

    def add(self, other: "PlainRows") -> None:
        """Add the rows of another append, which `can_join`."""
        self.locks |= other.locks
        self.properties += other.properties
        self.event_ids += other.event_ids
        self.subjects += other.subjects
        self.used_keys += other.used_keys
        self.messages += other.messages
        self.new_keys |= other.new_keys
        self.events += other.events

    async def execute(self, conn: Connection, lock_wait: str | None = None) -> int | None:
        """Append the rows; return the log generation. Return None if none could be appended.

        This includes rows with an id or a key that another transaction was inserting meanwhile.
        With `lock_wait`, a longer wait for a lock raises `asyncpg.LockNotAvailableError`.
        """
        locks = self.locks
        parameters = (
            [stream.entity_type for stream in locks], [stream.entity_id for stream in locks],
            [lock.shared for lock in locks.values()], [lock.version for lock in locks.values()],
            [lock.newest for lock in locks.values()],
            self.properties, self.event_ids, self.subjects, self.used_keys, self.messages,
            _keys_as_json(self.new_keys.values()) if self.new_keys else None,
            # `str` for ids of asyncpg: they are subclasses of UUID, which orjson refuses.
            orjson.dumps(self.events, default=str),
        )  # fmt: skip
        try:
            generation: int | None = await (
                conn.fetchval(_APPEND, *parameters) if lock_wait is None
                else conn.fetchval(_APPEND_SOON, *parameters, lock_wait, column=1)
            )  # fmt: skip
        except asyncpg.UniqueViolationError:
            return None
        return generation


def _keys_as_json(new: Collection[NewKey]) -> bytes:
    return orjson.dumps([
        {
            "subject_id": item.key.subject_id, "key_id": item.key.id,
            "wrapped": as_bytea(item.wrapped.wrapped), "master_key": item.wrapped.master_key,
        }
        for item in new
    ], default=str)  # fmt: skip
