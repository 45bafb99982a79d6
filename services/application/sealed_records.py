"""Records of the intake as their tables keep them: sealed, each with a data key of its own.

A record can be about anybody, also about a person whom the core does not know. Its own key makes
its copies unreadable too, for example those on the topic of dead letters.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import orjson

from events.keys.contents import ERASED, open_contents, open_each, seal_contents
from events.keys.store import Source
from services.application.raw_record import RawRecord, headers_of

COLUMNS = ("topic", "partition", "kafka_offset", "kafka_timestamp", "content")


class StoredRecord(NamedTuple):
    """A record of a table, and why it was rejected; both None after an erasure."""

    record: RawRecord | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter: the columns of its row, its record and the detail of its rejection.

    Record and detail are None after an erasure.
    """

    columns: Mapping[str, Any]
    record: RawRecord | None
    detail: str | None

    @property
    def id(self) -> UUID:
        """Return the id of the record."""
        dead_letter_id: UUID = self.columns["id"]
        return dead_letter_id


async def seal_records(
    source: Source, records: Sequence[tuple[RawRecord, str]]
) -> dict[UUID, tuple[object, ...]]:
    """Return record id → the values of `COLUMNS`, for records with the detail of a rejection.

    The content of a record that was erased before stays erased.
    """
    clear = [(record.id, _pack(record, detail)) for record, detail in records]
    sealed = await seal_contents(source, clear)
    return {
        record.id: (record.topic, record.partition, record.offset, record.timestamp, content)
        for (record, _), content in zip(records, sealed, strict=True)
    }


def without_content(record: RawRecord) -> tuple[object, ...]:
    """Return the values of `COLUMNS` for a record of which nothing is kept."""
    return (record.topic, record.partition, record.offset, record.timestamp, ERASED)


async def open_records(source: Source, rows: Sequence[asyncpg.Record]) -> list[StoredRecord]:
    """Return the records of rows with `COLUMNS`. Raises the same as `open_contents`."""
    contents = await open_contents(source, [row["content"] for row in rows])
    return [_unpack(row, content) for row, content in zip(rows, contents, strict=True)]


async def open_dead_letters(source: Source, rows: Sequence[asyncpg.Record]) -> list[DeadLetter]:
    """Return the dead letters of whole rows. Raises the same as `open_contents`."""
    opened = await open_records(source, rows)
    return [
        DeadLetter({name: row[name] for name in dict(row) if name != "content"}, *stored)
        for row, stored in zip(rows, opened, strict=True)
    ]


async def open_details(source: Source, rows: Sequence[asyncpg.Record]) -> list[str | None]:
    """Return the details of rows with `content`; None after an erasure, or for a changed one."""
    return [
        orjson.loads(content.partition(b"\n")[0])["detail"] if isinstance(content, bytes) else None
        for content in await open_each(source, [row["content"] for row in rows])
    ]


def _pack(record: RawRecord, detail: str) -> bytes:
    """Return a JSON line with the lengths of key and value, then key and value as they are."""
    head = {
        "key": None if record.key is None else len(record.key),
        "value": None if record.value is None else len(record.value),
        "headers": record.stored_headers(),
        "detail": detail,
    }
    return orjson.dumps(head) + b"\n" + (record.key or b"") + (record.value or b"")


def _unpack(row: asyncpg.Record, content: bytes | None) -> StoredRecord:
    if content is None:
        return StoredRecord(None, None)
    line, _, rest = content.partition(b"\n")
    head = orjson.loads(line)
    end_of_key = head["key"] or 0
    record = RawRecord(
        row["topic"], row["partition"], row["kafka_offset"], row["kafka_timestamp"],
        None if head["key"] is None else rest[:end_of_key],
        None if head["value"] is None else rest[end_of_key:],
        headers_of(head["headers"]),
    )  # fmt: skip
    return StoredRecord(record, head["detail"])
