"""Every table of the projection catalog in `public` is protected, as read from the database."""

from collections.abc import Sequence

import asyncpg
import pytest

from projections.catalog import LIVE

CLIENT_TABLES = sorted(table.name for table in LIVE.tables if table.schema == "public")
WRITE_GUARD = "crm_only_engine"
WRITES = ("INSERT", "UPDATE", "DELETE")
READERS = """
SELECT DISTINCT r.rolname::text FROM pg_policy p JOIN pg_roles r ON r.oid = ANY(p.polroles)
WHERE p.polrelid = $1::text::regclass AND p.polpermissive AND p.polcmd IN ('r', '*')
"""


async def find_faults(pool: asyncpg.Pool, table: str) -> list[str]:
    """Return the missing protections of a table, each as a short text."""
    name = f"public.{table}"
    row = await pool.fetchrow(
        "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = $1::text::regclass",
        name,
    )
    assert row is not None
    policies = await pool.fetch(
        "SELECT polpermissive FROM pg_policy WHERE polrelid = $1::text::regclass", name
    )
    is_guarded = await pool.fetchval(
        "SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = $1::text::regclass "
        "AND tgname = $2 AND tgenabled = 'A')",
        name,
        WRITE_GUARD,
    )
    checks = {
        "row level security": row["relrowsecurity"],
        "forced row level security": row["relforcerowsecurity"],
        "policy": any(policy["polpermissive"] for policy in policies),
        "role policy": any(not policy["polpermissive"] for policy in policies),
        "write guard": is_guarded,
    }
    faults = [protection for protection, is_present in checks.items() if not is_present]
    return faults + await _grant_faults(pool, name)


async def _grant_faults(pool: asyncpg.Pool, name: str) -> list[str]:
    readers = {record["rolname"] for record in await pool.fetch(READERS, name)}
    expected: dict[str, Sequence[str]] = {
        "service_role": ("SELECT", *WRITES),
        "authenticated": ("SELECT",),
        "anon": ("SELECT",) if "anon" in readers else (),
    }
    faults = []
    for role, privileges in expected.items():
        for privilege in ("SELECT", *WRITES, "TRUNCATE"):
            is_granted = await pool.fetchval(
                "SELECT has_table_privilege($1, $2, $3)", role, name, privilege
            )
            if privilege in privileges and not is_granted:
                faults.append(f"no {privilege} for {role}")
            if role != "service_role" and privilege != "SELECT" and is_granted:
                faults.append(f"{privilege} for {role}")
    return faults


async def test_every_table_of_the_catalog_is_protected(owner_pool: asyncpg.Pool) -> None:
    faults = {table: await find_faults(owner_pool, table) for table in CLIENT_TABLES}
    assert faults == {table: [] for table in CLIENT_TABLES}


@pytest.mark.parametrize("table", ["leads", "lead_scores"])
@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY", "row level security"),
        ("ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY", "forced row level security"),
        ("ALTER TABLE {table} DISABLE TRIGGER crm_only_engine", "write guard"),
        ("DROP TRIGGER crm_only_engine ON {table}", "write guard"),
        ("REVOKE SELECT ON {table} FROM authenticated", "no SELECT for authenticated"),
        ("REVOKE INSERT ON {table} FROM service_role", "no INSERT for service_role"),
        ("GRANT UPDATE ON {table} TO authenticated", "UPDATE for authenticated"),
        ("GRANT DELETE ON {table} TO anon", "DELETE for anon"),
    ],
)
async def test_a_removed_protection_is_found(
    owner_pool: asyncpg.Pool, table: str, statement: str, fault: str
) -> None:
    await owner_pool.execute(statement.format(table=table))
    assert await find_faults(owner_pool, table) == [fault]


@pytest.mark.parametrize(("is_permissive", "fault"), [(True, "policy"), (False, "role policy")])
async def test_a_removed_policy_is_found(
    owner_pool: asyncpg.Pool, is_permissive: bool, fault: str
) -> None:
    policies = await owner_pool.fetch(
        "SELECT polname FROM pg_policy WHERE polrelid = 'public.leads'::regclass "
        "AND polpermissive = $1",
        is_permissive,
    )
    for policy in policies:
        await owner_pool.execute(f'DROP POLICY "{policy["polname"]}" ON leads')
    assert fault in await find_faults(owner_pool, "leads")
