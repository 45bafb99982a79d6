"""Foreign keys from and to the tables that a rebuild replaces."""

from collections.abc import Sequence
from dataclasses import dataclass

from events.log.connection import Connection
from projections.engine.derived_table import DerivedTable


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key as PostgreSQL spells it; every name has its schema."""

    name: str
    child: str
    parent: str
    definition: str


async def read_foreign_keys(conn: Connection, tables: Sequence[DerivedTable]) -> list[ForeignKey]:
    """Return every foreign key from or to these live tables."""
    async with conn.transaction():
        await conn.execute("SET LOCAL search_path = ''")
        rows = await conn.fetch(
            """
            SELECT conname, conrelid::regclass::text AS child, confrelid::regclass::text AS parent,
              pg_get_constraintdef(oid) AS definition
            FROM pg_constraint WHERE contype = 'f'
              AND (conrelid = ANY($1::text[]::regclass[])
                OR confrelid = ANY($1::text[]::regclass[]))
            ORDER BY conrelid, conname
            """,
            [table.live_name for table in tables],
        )
    return [ForeignKey(*row.values()) for row in rows]


async def add_to_shadows(
    conn: Connection,
    foreign_keys: Sequence[ForeignKey],
    tables: Sequence[DerivedTable],
    schema: str,
) -> None:
    """Add foreign keys to shadow tables.

    The parent is the shadow table if there is one, else the live table. A foreign key to an
    in-place table is left to the swap: that table may not contain the parent rows before it.
    """
    shadows = {t.live_name: f"{schema}.{t.name}" for t in tables if not t.is_in_place}
    in_place = {table.live_name for table in tables if table.is_in_place}
    for foreign_key in foreign_keys:
        if foreign_key.child in shadows and foreign_key.parent not in in_place:
            parent = shadows.get(foreign_key.parent, foreign_key.parent)
            definition = foreign_key.definition.replace(
                f"REFERENCES {foreign_key.parent}(", f"REFERENCES {parent}("
            )
            await conn.execute(
                f"ALTER TABLE {shadows[foreign_key.child]} "
                f'ADD CONSTRAINT "{foreign_key.name}" {definition}'
            )


async def drop(conn: Connection, foreign_keys: Sequence[ForeignKey]) -> None:
    for foreign_key in foreign_keys:
        await conn.execute(f'ALTER TABLE {foreign_key.child} DROP CONSTRAINT "{foreign_key.name}"')


async def add_unvalidated(conn: Connection, foreign_keys: Sequence[ForeignKey]) -> None:
    """Add foreign keys without a check of the stored rows, which `validate` does later."""
    for foreign_key in foreign_keys:
        await conn.execute(
            f'ALTER TABLE {foreign_key.child} ADD CONSTRAINT "{foreign_key.name}" '
            f"{foreign_key.definition} NOT VALID"
        )


async def validate(conn: Connection, foreign_keys: Sequence[ForeignKey]) -> None:
    """Check the stored rows of foreign keys, with a lock that lets others read and write."""
    for foreign_key in foreign_keys:
        await conn.execute(
            f'ALTER TABLE {foreign_key.child} VALIDATE CONSTRAINT "{foreign_key.name}"'
        )
