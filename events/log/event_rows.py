"""The insertion of rows into the event log."""

from events.log.connection import Connection

COLUMNS = (
    "id", "entity_type", "entity_id", "version", "shard", "event_type", "schema_version",
    "org_id", "property_id", "lead_id", "occurred_at", "payload", "digest",
    "actor", "origin", "correlation_id", "causation_id",
)  # fmt: skip
_TYPES = (
    "uuid", "text", "uuid", "int", "smallint", "text", "smallint",
    "uuid", "uuid", "uuid", "timestamptz", "jsonb", "bytea",
    "text", "text", "uuid", "uuid",
)  # fmt: skip
_INSERT = f"INSERT INTO public.crm_events ({', '.join(COLUMNS)}) SELECT * FROM unnest(" + (
    ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(_TYPES, start=1)) + ")"
)
MIN_COPY_EVENTS = 16
"""From this number of rows on, COPY is faster than INSERT."""


async def insert_rows(conn: Connection, rows: list[tuple[object, ...]]) -> None:
    """Insert rows with the values of `COLUMNS`."""
    if len(rows) < MIN_COPY_EVENTS:
        await conn.execute(_INSERT, *zip(*rows, strict=True))
    else:
        await conn.copy_records_to_table(
            "crm_events", schema_name="public", columns=COLUMNS, records=rows
        )
