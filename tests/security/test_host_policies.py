"""Attacks through policies that a host has on its own tables: nobody changes what it may see."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import asyncpg
import pytest

USUAL_POLICIES = """
GRANT SELECT, INSERT, UPDATE, DELETE ON profiles TO anon, authenticated;
CREATE POLICY "Users update own profile" ON profiles FOR UPDATE TO authenticated
  USING (id = auth.uid());
CREATE POLICY "Users insert own profile" ON profiles FOR INSERT TO authenticated
  WITH CHECK (id = auth.uid());
CREATE POLICY "Users delete own profile" ON profiles FOR DELETE TO authenticated
  USING (id = auth.uid());
"""
"""The policies of Supabase's user management example, with deletion of the own account."""
LAX_POLICY = """
CREATE POLICY "Members manage members" ON profiles FOR ALL TO authenticated
  USING (org_id = crm_api.org_id()) WITH CHECK (true);
"""
"""A careless policy: a member may store any value in any profile of its organisation."""


@dataclass
class Org:
    """An organisation with a user of each role."""

    org_id: UUID = field(default_factory=uuid4)
    users: dict[str, UUID] = field(
        default_factory=lambda: {role: uuid4() for role in ("viewer", "manager", "admin", "boss")}
    )

    async def insert(self, conn: asyncpg.Connection) -> None:
        await conn.execute("INSERT INTO organizations (id, name) VALUES ($1, 'Acme')", self.org_id)
        for name, user in self.users.items():
            role = "admin" if name == "boss" else name
            await conn.execute(
                "INSERT INTO profiles (id, org_id, role) VALUES ($1, $2, $3)",
                user, self.org_id, role,
            )  # fmt: skip


@pytest.fixture
async def conn(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    await connection.execute(USUAL_POLICIES + LAX_POLICY)
    yield connection
    await connection.close()


@pytest.fixture
async def orgs(conn: asyncpg.Connection) -> tuple[Org, Org]:
    pair = Org(), Org()
    for org in pair:
        await org.insert(conn)
    return pair


async def as_user(
    conn: asyncpg.Connection,
    user: UUID,
    statement: str,
    *values: object,
    role: str = "authenticated",
) -> str:
    """Execute a statement as PostgREST does: with the role and the claims of a user."""
    async with conn.transaction():
        await conn.execute(
            "SELECT set_config('role', $1, true), set_config('request.jwt.claims', $2, true)",
            role,
            json.dumps({"role": role, "sub": str(user)}),
        )
        status: str = await conn.execute(statement, *values)
        return status


async def profile(conn: asyncpg.Connection, user: UUID) -> tuple[UUID, str, str | None]:
    row = await conn.fetchrow("SELECT org_id, role, full_name FROM profiles WHERE id = $1", user)
    assert row is not None
    return row["org_id"], row["role"], row["full_name"]


ATTACKS = {
    "becomes admin": "UPDATE profiles SET role = 'admin' WHERE id = $1 AND $2::uuid IS NOT NULL",
    "becomes admin elsewhere": "UPDATE profiles SET role = 'admin', org_id = $2 WHERE id = $1",
    "moves elsewhere": "UPDATE profiles SET org_id = $2 WHERE id = $1",
    "leaves": "UPDATE profiles SET org_id = NULL WHERE id = $1 AND $2::uuid IS NOT NULL",
    "upserts": "INSERT INTO profiles (id, org_id, role) VALUES ($1, $2, 'admin') "
    "ON CONFLICT (id) DO UPDATE SET org_id = excluded.org_id, role = excluded.role",
    "comes back elsewhere": "WITH gone AS (DELETE FROM profiles WHERE id = $1 RETURNING id) "
    "INSERT INTO profiles (id, org_id, role) SELECT gen_random_uuid(), $2, 'admin' FROM gone",
    "takes the id of another": "UPDATE profiles SET id = gen_random_uuid() "
    "WHERE id = $1 AND $2::uuid IS NOT NULL",
    "changes everybody": "UPDATE profiles SET role = 'admin' WHERE $1::uuid <> $2::uuid",
}


@pytest.mark.parametrize("statement", ATTACKS.values(), ids=ATTACKS)
@pytest.mark.parametrize("attacker", ["viewer", "manager", "admin"])
async def test_a_member_cannot_change_its_own_membership(
    conn: asyncpg.Connection, orgs: tuple[Org, Org], attacker: str, statement: str
) -> None:
    own, other = orgs
    if attacker == "admin":
        statement = statement.replace("role = 'admin'", "role = 'owner'")
    before = await conn.fetch("SELECT id, org_id, role FROM profiles ORDER BY id")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await as_user(conn, own.users[attacker], statement, own.users[attacker], other.org_id)
    assert await conn.fetch("SELECT id, org_id, role FROM profiles ORDER BY id") == before


async def test_a_new_user_cannot_create_its_profile(
    conn: asyncpg.Connection, orgs: tuple[Org, Org]
) -> None:
    user = uuid4()
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="cannot create a profile"):
        await as_user(
            conn, user, "INSERT INTO profiles (id, org_id) VALUES ($1, $2)", user, orgs[0].org_id
        )


async def test_a_deleted_member_cannot_create_its_profile_again(
    conn: asyncpg.Connection, orgs: tuple[Org, Org]
) -> None:
    own, viewer = orgs[0], orgs[0].users["viewer"]
    await as_user(conn, viewer, "DELETE FROM profiles WHERE id = $1", viewer)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="cannot create a profile"):
        await as_user(
            conn, viewer, "INSERT INTO profiles (id, org_id) VALUES ($1, $2)", viewer, own.org_id
        )


@pytest.mark.parametrize("role", ["viewer", "manager"])
async def test_only_an_admin_changes_the_roles_of_others(
    conn: asyncpg.Connection, orgs: tuple[Org, Org], role: str
) -> None:
    own, other = orgs
    change = "UPDATE profiles SET role = $2 WHERE id = $1"
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="another admin"):
        await as_user(conn, own.users[role], change, own.users["boss"], "viewer")
    target = own.users[role]
    assert await as_user(conn, own.users["admin"], change, target, "manager") == "UPDATE 1"
    assert await profile(conn, target) == (own.org_id, "manager", None)
    # Of another organisation: even a policy for everybody does not help.
    await conn.execute("CREATE POLICY everybody ON profiles FOR ALL TO authenticated USING (true)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="another admin"):
        await as_user(conn, own.users["admin"], change, other.users[role], "admin")


async def test_anon_with_claims_of_an_admin_changes_no_role_of_another_organisation(
    conn: asyncpg.Connection, orgs: tuple[Org, Org]
) -> None:
    own, other = orgs
    await conn.execute("CREATE POLICY anybody ON profiles FOR ALL TO anon USING (true)")
    change = "UPDATE profiles SET role = 'admin' WHERE id = $1"
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="another admin"):
        await as_user(conn, other.users["admin"], change, own.users["viewer"], role="anon")


async def test_a_replication_session_does_not_switch_the_protection_off(
    conn: asyncpg.Connection, orgs: tuple[Org, Org]
) -> None:
    viewer = orgs[0].users["viewer"]
    await conn.execute("SET session_replication_role = replica")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="another admin"):
        await as_user(conn, viewer, "UPDATE profiles SET role = 'admin' WHERE id = $1", viewer)


async def test_a_member_changes_the_rest_of_its_profile_also_by_upsert(
    conn: asyncpg.Connection, orgs: tuple[Org, Org]
) -> None:
    own, viewer = orgs[0], orgs[0].users["viewer"]
    await as_user(conn, viewer, "UPDATE profiles SET full_name = 'Ada' WHERE id = $1", viewer)
    assert await profile(conn, viewer) == (own.org_id, "viewer", "Ada")
    await as_user(
        conn, viewer,
        "INSERT INTO profiles (id, org_id, role, full_name) VALUES ($1, $2, 'viewer', 'Eve') "
        "ON CONFLICT (id) DO UPDATE SET full_name = excluded.full_name, role = excluded.role",
        viewer, own.org_id,
    )  # fmt: skip
    assert await profile(conn, viewer) == (own.org_id, "viewer", "Eve")


async def test_the_service_of_the_host_manages_members(
    conn: asyncpg.Connection, orgs: tuple[Org, Org]
) -> None:
    await conn.execute("GRANT INSERT, UPDATE, DELETE ON profiles TO service_role")
    own, other = orgs
    await conn.execute("SET ROLE service_role")
    user = uuid4()
    await conn.execute(
        "INSERT INTO profiles (id, org_id, role) VALUES ($1, $2, 'admin')", user, own.org_id
    )
    await conn.execute("UPDATE profiles SET org_id = $2 WHERE id = $1", user, other.org_id)
    await conn.execute("RESET ROLE")
    assert await profile(conn, user) == (other.org_id, "admin", None)
