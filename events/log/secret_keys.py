"""Secret keys: random bytes in `crm.secret_keys`, one series of keys for each purpose.

The newest key signs. The older ones are accepted until they are retired, so that a rotation
refuses nothing that was signed a moment ago.
"""

import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, TypeAlias
from uuid import UUID

from events.log.connection import Connection

KEY_BYTES = 32

Purpose: TypeAlias = Literal[
    "record_digest",
    "session_token",
    "visitor_id",
    "lead_reference",
    "rate_limit",
    "widget_key",
    "consistency_token",
    "unsubscribe_link",
    "api_key",
]


@dataclass(frozen=True, slots=True)
class SecretKey:
    """A secret key with its id. The id is public; the text form of the object hides the bytes."""

    id: UUID
    key: bytes = field(repr=False)


async def load_secret_keys(conn: Connection, purpose: Purpose) -> list[SecretKey]:
    """Return the keys of a purpose that are not retired, newest first: the first one signs.

    Raise `RuntimeError` if there is none.
    """
    rows = await conn.fetch(
        "SELECT id, key FROM crm.secret_keys WHERE purpose = $1 "
        "AND (retired_at IS NULL OR retired_at > clock_timestamp()) "
        "ORDER BY retired_at IS NULL DESC, created_at DESC, id",
        purpose,
    )
    if not rows:
        raise RuntimeError(f"crm.secret_keys has no valid {purpose} key: run `crm db migrate`")
    return [SecretKey(row["id"], row["key"]) for row in rows]


async def rotate_secret_key(conn: Connection, purpose: Purpose, overlap: timedelta) -> SecretKey:
    """Add a key of a purpose, retire the others when `overlap` has passed, and return the new one.

    A key that is retired earlier stays so. An overlap of zero retires the others at once.
    """
    async with conn.transaction():
        # A second rotation waits here, and then sees the key of the first one and retires it. All
        # rotations lock the same row, the oldest one: with more rows, a rotation that sees a newer
        # key could lock it first and wait for the oldest one, which is a deadlock.
        await conn.execute(
            "SELECT FROM crm.secret_keys WHERE purpose = $1 "
            "ORDER BY created_at, id LIMIT 1 FOR UPDATE",
            purpose,
        )
        await conn.execute(
            "UPDATE crm.secret_keys SET retired_at = clock_timestamp() + $2 WHERE purpose = $1 "
            "AND (retired_at IS NULL OR retired_at > clock_timestamp() + $2)",
            purpose,
            overlap,
        )
        key = secrets.token_bytes(KEY_BYTES)
        key_id: UUID = await conn.fetchval(
            "INSERT INTO crm.secret_keys (purpose, key) VALUES ($1, $2) RETURNING id", purpose, key
        )
    return SecretKey(key_id, key)
