"""Conversion of json and jsonb by asyncpg: with orjson, in the binary format."""

from typing import Any

import asyncpg
import orjson
from asyncpg.pool import PoolConnectionProxy

JSONB_VERSION = b"\x01"


async def register_json_codecs(connection: "asyncpg.Connection | PoolConnectionProxy") -> None:
    """Convert json and jsonb with orjson in binary format; `bytes` values are sent as they are."""
    await connection.set_type_codec(
        "jsonb",
        encoder=_encode_jsonb,
        decoder=_decode_jsonb,
        schema="pg_catalog",
        format="binary",
    )
    await connection.set_type_codec(
        "json", encoder=orjson.dumps, decoder=orjson.loads, schema="pg_catalog", format="binary"
    )


def _encode_jsonb(value: Any) -> bytes:
    return JSONB_VERSION + (value if type(value) is bytes else orjson.dumps(value))


def _decode_jsonb(data: bytes) -> Any:
    return orjson.loads(data[1:])
