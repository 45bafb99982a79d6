"""Shadow tables: the live tables' twins in a schema of their own, made and swapped in by catalog.

What a table consists of is read from PostgreSQL itself (defaults, indexes, constraints, triggers,
grants, policies), so whatever a migration or the host has given it, its twin has too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from events.log.connection import Connection
from projections.engine import row_security
from projections.engine.in_place import write_differences
from projections.engine.projection import DerivedTable

LOCK_SECONDS = 2
FINDER = "crm_refold_"
"""How the names of indexes begin that serve a shadow while it is folded, and no table after."""


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A constraint as PostgreSQL spells it, every name with its schema."""

    name: str
    child: str
    parent: str
    definition: str


def live_name(table: DerivedTable) -> str:
    return f"{table.schema}.{table.name}"


async def create(conn: Connection, tables: Sequence[DerivedTable], schema: str) -> None:
    """Empty, unlogged twins without indexes and constraints; what stood there before is dropped."""
    async with conn.transaction():
        await conn.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}")
        for table in tables:
            await conn.execute(f"CREATE UNLOGGED TABLE {schema}.{table.name} {_made_of(table)}")


def _made_of(table: DerivedTable) -> str:
    """A kept table's twin has the core's columns only: the host's are nobody else's to fill."""
    if table.kept:
        columns = ", ".join(f'"{column}"' for column in table.columns)
        return f"AS SELECT {columns} FROM {live_name(table)} WITH NO DATA"
    return f"(LIKE {live_name(table)} INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING STORAGE)"


async def drop(conn: Connection, schema: str) -> None:
    await conn.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


async def find_by_key(conn: Connection, table: DerivedTable, schema: str) -> None:
    """Give a twin that is being filled an index on its key; several may want it at once."""
    name = f"{FINDER}{table.name}"
    async with conn.transaction():
        # Asking whether it exists and making it are not one step.
        await conn.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"{schema}.{name}"
        )
        await conn.execute(
            f"CREATE INDEX IF NOT EXISTS {name} ON {schema}.{table.name} ({table.key})"
        )


async def index(conn: Connection, table: DerivedTable, schema: str) -> None:
    """Give a twin its live table's indexes, keys and checks, and make it durable.

    What never takes the live table's place needs to be found by its key only.
    """
    await conn.execute(f"DROP INDEX IF EXISTS {schema}.{FINDER}{table.name}")
    if table.kept:
        await conn.execute(f'ALTER TABLE {schema}.{table.name} ADD PRIMARY KEY ("{table.key}")')
        return
    live = live_name(table)
    async with conn.transaction():
        await conn.execute(
            "SET LOCAL search_path = ''; SET LOCAL maintenance_work_mem = '256MB'; "
            "SET LOCAL synchronous_commit = off"  # the swap's commit waits for all before it
        )
        await conn.execute(f"ALTER TABLE {schema}.{table.name} SET LOGGED")
        for row in await conn.fetch(
            "SELECT conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint "
            "WHERE conrelid = $1::text::regclass AND contype IN ('p', 'u', 'c') ORDER BY contype",
            live,
        ):
            await conn.execute(
                f'ALTER TABLE {schema}.{table.name} ADD CONSTRAINT "{row["conname"]}" '
                f"{row['definition']}"
            )
        for row in await conn.fetch(
            "SELECT pg_get_indexdef(indexrelid) AS definition FROM pg_index "
            "WHERE indrelid = $1::text::regclass AND NOT EXISTS "
            "(SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u')) "
            "AND NOT EXISTS (SELECT FROM pg_class "  # an earlier build left its own behind
            "WHERE oid = indexrelid AND starts_with(relname, $2))",
            live,
            FINDER,
        ):
            twin = f" ON {schema}.{table.name} "
            await conn.execute(row["definition"].replace(f" ON {live} ", twin))
    # Statistics of all else, of texts and JSON above all, take most of the time and serve no plan.
    sought = ", ".join(f'"{column}"' for column in table.sought_columns)
    await conn.execute(f"ANALYZE {schema}.{table.name} ({sought})")


async def foreign_keys(conn: Connection, tables: Sequence[DerivedTable]) -> list[ForeignKey]:
    """Every foreign key from or to these live tables."""
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
            [live_name(table) for table in tables],
        )
    return [ForeignKey(*row.values()) for row in rows]


async def refer(
    conn: Connection,
    keys: Sequence[ForeignKey],
    tables: Sequence[DerivedTable],
    schema: str,
) -> None:
    """Give twins their foreign keys: to a twin where the parent has one, else to the live table.

    Where the parent is a kept table, it may not have the rows yet: the swap sees to those.
    """
    twins = {live_name(table): f"{schema}.{table.name}" for table in tables if not table.kept}
    kept = {live_name(table) for table in tables if table.kept}
    for key in keys:
        if key.child in twins and key.parent not in kept:
            parent = twins.get(key.parent, key.parent)
            definition = key.definition.replace(
                f"REFERENCES {key.parent}(", f"REFERENCES {parent}("
            )
            await conn.execute(
                f'ALTER TABLE {twins[key.child]} ADD CONSTRAINT "{key.name}" {definition}'
            )


async def dress(conn: Connection, table: DerivedTable, schema: str) -> None:
    """Give a twin its live table's owner, grants, row level security and triggers."""
    live, twin = live_name(table), f"{schema}.{table.name}"
    await conn.execute("SET LOCAL search_path = ''")
    row = await conn.fetchrow(
        "SELECT pg_get_userbyid(relowner) AS owner, relrowsecurity, relforcerowsecurity "
        "FROM pg_class WHERE oid = $1::text::regclass",
        live,
    )
    assert row is not None  # noqa: S101 — the catalog's tables exist, or regclass had raised
    await conn.execute(f'ALTER TABLE {twin} OWNER TO "{row["owner"]}"')
    if row["relrowsecurity"]:
        await conn.execute(f"ALTER TABLE {twin} ENABLE ROW LEVEL SECURITY")
    if row["relforcerowsecurity"]:
        await conn.execute(f"ALTER TABLE {twin} FORCE ROW LEVEL SECURITY")
    for grant in await conn.fetch(
        "SELECT privilege_type, CASE grantee WHEN 0 THEN 'PUBLIC' "
        "ELSE quote_ident(pg_get_userbyid(grantee)) END AS grantee, is_grantable "
        "FROM pg_class, aclexplode(relacl) WHERE oid = $1::text::regclass AND grantee <> relowner",
        live,
    ):
        option = " WITH GRANT OPTION" if grant["is_grantable"] else ""
        await conn.execute(
            f"GRANT {grant['privilege_type']} ON {twin} TO {grant['grantee']}{option}"
        )
    for trigger in await conn.fetch(
        "SELECT tgname, tgenabled, pg_get_triggerdef(oid) AS definition FROM pg_trigger "
        "WHERE tgrelid = $1::text::regclass AND NOT tgisinternal",
        live,
    ):
        await conn.execute(trigger["definition"].replace(f" ON {live} ", f" ON {twin} "))
        if trigger["tgenabled"] in (b"A", "A"):
            await conn.execute(f'ALTER TABLE {twin} ENABLE ALWAYS TRIGGER "{trigger["tgname"]}"')


@dataclass(frozen=True, slots=True)
class Differing:
    """The kept tables in which a rebuild has something to write; see `kept.write_differences`."""

    tables: Sequence[DerivedTable]
    shared: bool


async def swap(
    conn: Connection,
    keys: Sequence[ForeignKey],
    tables: Sequence[DerivedTable],
    schema: str,
    old_schema: str,
    differing: Differing,
) -> list[ForeignKey]:
    """Move the live tables away and their twins into their place, in the caller's transaction.

    Kept tables stay, and are written where they differ. Returns the foreign keys that are to be
    validated once this is committed: those of other tables to the new ones, and of new tables to
    the kept ones.
    """
    moving = [table for table in tables if not table.kept]
    twins = {live_name(table) for table in moving}
    staying = {live_name(table) for table in tables if table.kept}
    torn = [key for key in keys if key.parent in twins or key.child in twins]
    mended = [key for key in torn if key.child not in twins or key.parent in staying]
    await conn.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'; SET LOCAL search_path = ''")
    await conn.execute(f"DROP SCHEMA IF EXISTS {old_schema} CASCADE; CREATE SCHEMA {old_schema}")
    told = await row_security.policies(conn, sorted(twins))
    for key in torn:
        await conn.execute(f'ALTER TABLE {key.child} DROP CONSTRAINT "{key.name}"')
    await row_security.drop(conn, told)
    for table in moving:
        await dress(conn, table, schema)
        await conn.execute(f"ALTER TABLE {live_name(table)} SET SCHEMA {old_schema}")
        await conn.execute(f"ALTER TABLE {schema}.{table.name} SET SCHEMA {table.schema}")
    await row_security.create(conn, told)
    if differing.tables:
        await write_differences(conn, differing.tables, schema, old_schema, shared=differing.shared)
    for key in mended:
        await conn.execute(
            f'ALTER TABLE {key.child} ADD CONSTRAINT "{key.name}" {key.definition} NOT VALID'
        )
    return mended


async def validate(conn: Connection, keys: Sequence[ForeignKey]) -> None:
    for key in keys:
        await conn.execute(f'ALTER TABLE {key.child} VALIDATE CONSTRAINT "{key.name}"')
