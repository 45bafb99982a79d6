"""Check that every derived table of the catalog exists in a database and is protected.

The list of tables and columns is computed from `projections.catalog`, so that a projection
cannot be forgotten. Only PostgreSQL's own catalogs are read: every role may do that.
"""

from collections.abc import Iterator, Sequence

import asyncpg

from events.log.connection import Connection
from projections.catalog import HOST_TABLES, LIVE
from projections.engine.derived_table import DerivedTable

WRITE_GUARD = "crm_only_engine"
"""The database trigger that refuses every writer but the projection engine."""
CLIENT_ROLES = ("anon", "authenticated")
WRITES = ("INSERT", "UPDATE", "DELETE")

_TABLES = """
SELECT n.nspname AS schema, c.relname AS name,
  NOT EXISTS (SELECT FROM pg_roles r WHERE pg_has_role(r.oid, c.relowner, 'USAGE')
    AND (r.rolname IN ('anon', 'authenticated') OR r.oid = c.relowner
      AND (r.rolsuper OR r.rolbypassrls))) AS may_exempt_owner,
  c.relrowsecurity AS is_secured, c.relforcerowsecurity AS is_forced,
  EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid
    AND t.tgname = $2 AND t.tgenabled = 'A') AS is_guarded,
  EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polpermissive) AS has_policy,
  EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid
    AND NOT p.polpermissive) AS has_role_check,
  ARRAY(SELECT a.attname::text FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
  ARRAY(SELECT DISTINCT r.rolname::text FROM pg_policy p JOIN pg_roles r ON r.oid = ANY(p.polroles)
    WHERE p.polrelid = c.oid AND p.polpermissive AND p.polcmd IN ('r', '*')) AS readers,
  ARRAY(SELECT format('%s %s', r.rolname, privilege) FROM pg_roles r,
    unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS privilege
    WHERE r.rolname IN ('anon', 'authenticated', 'service_role')
      AND has_table_privilege(r.oid, c.oid, privilege)) AS privileges
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND format('%s.%s', n.nspname, c.relname) = ANY($1::text[])"""


async def find_problems(conn: Connection) -> list[str]:
    """Return one sentence for each fault of the tables; each names the table and the remedy."""
    host_tables = [f"public.{table.name}" for table in HOST_TABLES]
    names = [*host_tables, *(table.live_name for table in LIVE.tables)]
    rows = await conn.fetch(_TABLES, names, WRITE_GUARD)
    by_name = {f"{row['schema']}.{row['name']}": row for row in rows}
    problems = [_missing_table(name) for name in names if name not in by_name]
    for table in LIVE.tables:
        if row := by_name.get(table.live_name):
            problems += _table_problems(table, row)
    for name in host_tables:
        if row := by_name.get(name):
            problems += _missing_grants(name, row, {"service_role": ("SELECT",)})
    return problems


def _missing_table(name: str) -> str:
    return (
        f"table {name} is missing; run `crm db migrate` "
        "(a new projection needs a migration first: `crm projection migration NAME`)"
    )


def _table_problems(table: DerivedTable, row: asyncpg.Record) -> Iterator[str]:
    name = table.live_name
    for column in table.columns:
        if column not in row["columns"]:
            yield (
                f"column {name}.{column} is missing; run `crm db migrate` "
                "(a new column needs a migration first)"
            )
    if not row["is_guarded"]:
        yield (
            f"table {name} lacks the write guard {WRITE_GUARD}, or it is off: everybody can write "
            f"past the engine; create it as the procedure crm.guard_table does"
        )
    grants: dict[str, Sequence[str]] = {"service_role": ("SELECT", *WRITES)}
    if table.schema == "public":
        yield from _access_problems(name, row, is_in_place=table.is_in_place)
        grants["authenticated"] = ("SELECT",)
        grants |= {role: ("SELECT",) for role in CLIENT_ROLES if role in row["readers"]}
    yield from _missing_grants(name, row, grants)


def _access_problems(name: str, row: asyncpg.Record, *, is_in_place: bool) -> Iterator[str]:
    """Yield what lets a client read another organisation's rows, or write.

    Only the owner is exempt from row level security that is not forced. The owner of a host table
    may be so (`crm db migrate --host-access unforced`), unless a client has its privileges, or the
    owner bypasses row level security anyway.
    """
    is_owner_exempt = is_in_place and row["may_exempt_owner"]
    if not row["is_secured"] or not (row["is_forced"] or is_owner_exempt):
        yield (
            f"row level security on {name} is not forced; run `ALTER TABLE {name} ENABLE ROW LEVEL "
            f"SECURITY, FORCE ROW LEVEL SECURITY`"
        )
    if not row["has_policy"]:
        yield (
            f"table {name} has no policy, so that no client can read it; create one that compares "
            "property_id with crm_api.property_ids()"
        )
    if not row["has_role_check"]:
        yield (
            f"table {name} lacks the restrictive policy that compares the claimed role with the "
            "database role; create it as the procedure crm.guard_table does"
        )
    for role in CLIENT_ROLES:
        for privilege in (*WRITES, "TRUNCATE"):
            if f"{role} {privilege}" in row["privileges"]:
                yield (
                    f"{role} may {privilege} {name}; run `REVOKE {privilege} ON {name} FROM {role}`"
                )


def _missing_grants(
    name: str, row: asyncpg.Record, grants: dict[str, Sequence[str]]
) -> Iterator[str]:
    for role, privileges in grants.items():
        for privilege in privileges:
            if f"{role} {privilege}" not in row["privileges"]:
                yield (
                    f"{role} may not {privilege} {name}; "
                    f"run `GRANT {privilege} ON {name} TO {role}`"
                )
