"""Row level security in raw SQL: whatever a caller claims, it reads only its own tenant."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.runtime.plan_schema import PLAN_TABLES
from tests.migrations.derived_tables import DERIVED_TABLES

HOST_TABLE_NAMES = ("organizations", "properties", "profiles")
ROLES = ("admin", "manager", "viewer")
VISITOR_TABLES = {
    "lumaleasing_config", "widget_sessions", "conversations", "messages", "tour_slots",
}  # fmt: skip


@dataclass(frozen=True)
class Tenant:
    """An organisation with one row in every derived table."""

    org_id: UUID
    property_id: UUID
    users: dict[str, UUID]
    lead_id: UUID

    def user(self, profile_role: str = "manager", **more: Any) -> dict[str, Any]:
        """Return the JWT claims that the API sets for a console user."""
        return {"role": "authenticated", "sub": str(self.users[profile_role]), **more}

    def visitor(self, visitor: str = "v_1", **more: Any) -> dict[str, Any]:
        """Return the JWT claims that the API sets for a visitor of the widget."""
        return {"role": "anon", "org_id": str(self.org_id), "property_id": str(self.property_id),
                "visitor_id": visitor, **more}  # fmt: skip


async def make_tenant(conn: asyncpg.Connection) -> Tenant:
    """Insert an organisation with a property, users and one row in every derived table."""
    org, property_id = uuid4(), uuid4()
    users = {role: uuid4() for role in ROLES}
    await conn.execute("INSERT INTO organizations (id, name) VALUES ($1, 'Acme')", org)
    await conn.execute(
        "INSERT INTO properties (id, org_id, name) VALUES ($1, $2, 'Elm Court')", property_id, org
    )
    for role, user in users.items():
        await conn.execute(
            "INSERT INTO profiles (id, org_id, role) VALUES ($1, $2, $3)", user, org, role
        )
    lead, session, conversation, definition, run = (uuid4() for _ in range(5))
    rows: dict[str, dict[str, object]] = {
        "leads": {"id": lead},
        "widget_sessions": {"id": session, "lead_id": lead, "visitor_id": "v_1"},
        "conversations": {"id": conversation, "lead_id": lead, "widget_session_id": session},
        "messages": {"conversation_id": conversation, "role": "user", "content": "hello"},
        "tours": {"lead_id": lead, "tour_date": "2026-12-01", "tour_time": "10:00"},
        "tour_slots": {"slot_date": "2026-12-01", "start_time": "10:00", "end_time": "11:00"},
        "lumaleasing_config": {},
        "workflow_definitions": {"id": definition, "name": "n", "trigger_on": "lead_created"},
        "lead_workflows": {"id": run, "lead_id": lead, "workflow_id": definition},
        "workflow_actions": {"lead_workflow_id": run, "step_number": 0, "action_type": "sms"},
        "follow_up_templates": {"slug": "s", "name": "n", "channel": "sms", "body": "b"},
        "lead_engagement_events": {"lead_id": lead, "event_type": "email_opened"},
        "lead_scores": {"lead_id": lead, "revision": 1},
        "lead_activities": {"lead_id": lead, "type": "note"},
        "deliveries": {
            "lead_id": lead,
            "channel": "sms",
            "purpose": "manual",
            "status": "planned",
            "attempt": 0,
            "is_simulated": False,
            "due_at": "2026-12-01",
            "planned_at": "2026-12-01",
            "changed_at": "2026-12-01",
        },
        "lead_tasks": {"lead_id": lead, "title": "Call"},
        "lead_consents": {
            "lead_id": lead,
            "channel": "sms",
            "status": "given",
            "version": 1,
            "said_at": "2026-12-01",
        },
        "api_keys": {
            "label": "warehouse",
            "scopes": "{}",
            "property_ids": "{}",
            "issued_at": "2026-12-01",
            "issue_reason": "reports",
        },
    }
    async with conn.transaction():
        await conn.execute("SET LOCAL crm.engine = 'on'")
        for table, row in rows.items():
            columns = {**row, "org_id": org}
            if table != "api_keys":  # keys belong to the organisation
                columns["property_id"] = property_id
            values = ", ".join(f"'{value}'" for value in columns.values())
            await conn.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values})")
    return Tenant(org, property_id, users, lead)


@pytest.fixture
async def conn(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Connect as the owner of the database; the tests set the roles."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def read(
    conn: asyncpg.Connection, role: str, claims: str, table: str, column: str = "org_id"
) -> set[UUID] | None:
    """Return the organisations whose rows are visible; None if the table may not be read."""
    transaction = conn.transaction()
    await transaction.start()
    try:
        await conn.execute(
            "SELECT set_config('role', $1, true), set_config('request.jwt.claims', $2, true)",
            role, claims,
        )  # fmt: skip
        return {row[0] for row in await conn.fetch(f"SELECT {column} FROM {table}")}
    except asyncpg.InsufficientPrivilegeError:
        return None
    finally:
        await transaction.rollback()


async def test_a_user_reads_every_table_of_its_own_organisation_only(
    conn: asyncpg.Connection,
) -> None:
    tenants = [await make_tenant(conn), await make_tenant(conn)]
    for tenant, role, table in product(tenants, ROLES, DERIVED_TABLES):
        claims = json.dumps(tenant.user(role))
        assert await read(conn, "authenticated", claims, table) == {tenant.org_id}, table
    for tenant, role in product(tenants, ROLES):
        claims = json.dumps(tenant.user(role))
        assert await read(conn, "authenticated", claims, "organizations", "id") == {tenant.org_id}
        assert await read(conn, "authenticated", claims, "properties") == {tenant.org_id}
        assert await read(conn, "authenticated", claims, "profiles") == {tenant.org_id}


async def test_a_visitor_reads_its_property_and_its_own_conversation_only(
    conn: asyncpg.Connection,
) -> None:
    tenant, _other = await make_tenant(conn), await make_tenant(conn)
    own, other_visitor = json.dumps(tenant.visitor()), json.dumps(tenant.visitor("v_2"))
    for table in DERIVED_TABLES:
        visible = {tenant.org_id} if table in VISITOR_TABLES else None
        assert await read(conn, "anon", own, table) == visible, table
    for table in ("widget_sessions", "conversations", "messages"):
        assert await read(conn, "anon", other_visitor, table) == set(), table
    for table in (*HOST_TABLE_NAMES, "crm_events"):
        assert not await read(conn, "anon", own, table, "id"), table


CLAIMABLE = ("service_role", "postgres", "anon", "authenticated", None, "")


@pytest.mark.parametrize(
    ("role", "claimed"),
    [pair for pair in product(("anon", "authenticated"), CLAIMABLE) if len(set(pair)) == 2],
)
async def test_a_claimed_role_that_is_not_the_database_role_reads_nothing(
    conn: asyncpg.Connection, role: str, claimed: str | None
) -> None:
    tenant = await make_tenant(conn)
    for claims in (tenant.user(role=claimed), tenant.visitor(role=claimed)):
        for table in DERIVED_TABLES:
            assert not await read(conn, role, json.dumps(claims), table), (table, claims)


MALFORMED = (
    "", " ", "null", "[]", "7", '"text"', "{", "{}", '{"sub": "no uuid", "role": "authenticated"}',
    '{"sub": 7, "role": "authenticated"}', '{"sub": {"a": 1}, "role": "authenticated"}',
    '{"sub": null, "role": "authenticated"}', '{"role": "anon", "property_id": "\' OR true --"}',
    '{"role": "anon", "property_id": ["x"], "visitor_id": {}}', "\u2028", "{}{}",
    '{"role": ["service_role"]}',
)  # fmt: skip


@pytest.mark.parametrize("role", ["anon", "authenticated"])
async def test_malformed_claims_deny_without_an_error(conn: asyncpg.Connection, role: str) -> None:
    await make_tenant(conn)
    for claims, table in product(MALFORMED, DERIVED_TABLES):
        assert not await read(conn, role, claims, table), (claims, table)


async def test_random_claims_never_read_another_tenant(
    conn: asyncpg.Connection,
) -> None:
    tenant, other = await make_tenant(conn), await make_tenant(conn)
    own_ids = (tenant.org_id, tenant.property_id, tenant.lead_id, *tenant.users.values())
    ids = [str(own_id) for own_id in own_ids]
    value = st.one_of(
        st.sampled_from([*ids, "service_role", "authenticated", "anon"]), st.none(),
        st.text("ab'%"), st.integers(), st.lists(st.sampled_from(ids), max_size=2),
    )  # fmt: skip
    names = ("sub", "role", "property_id", "org_id", "visitor_id", "user_role", "app_metadata")
    claims = st.dictionaries(st.sampled_from(names), value)
    examples: list[tuple[str, str]] = []

    @settings(
        max_examples=60, deadline=None, database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )  # fmt: skip
    @given(claims, st.sampled_from(["anon", "authenticated"]))
    def collect(example: dict[str, Any], role: str) -> None:
        examples.append((json.dumps(example), role))

    collect()
    for example, role in examples:
        for table in DERIVED_TABLES:
            visible = await read(conn, role, example, table)
            assert other.org_id not in (visible or set()), (table, example, role)


WRITES = (
    "INSERT INTO {t} (id) VALUES (gen_random_uuid())",
    "UPDATE {t} SET id = id",
    "DELETE FROM {t}",
    "TRUNCATE {t} CASCADE",
    "COPY {t} (id) FROM PROGRAM 'true'",
)


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role", "owner"])
async def test_direct_writes_are_refused_for_every_role(
    conn: asyncpg.Connection, role: str
) -> None:
    tenant = await make_tenant(conn)
    for table, write in product(DERIVED_TABLES, WRITES):
        transaction = conn.transaction()
        await transaction.start()
        if role != "owner":
            await conn.execute(f"SET LOCAL ROLE {role}")
        claims = json.dumps(tenant.user(role="service_role"))
        await conn.execute("SELECT set_config('request.jwt.claims', $1, true)", claims)
        with pytest.raises(asyncpg.InsufficientPrivilegeError) as refused:
            await conn.execute(write.format(t=table))
        await transaction.rollback()
        if role == "owner" and not write.startswith("TRUNCATE"):
            assert refused.value.hint is not None
            assert refused.value.hint.startswith("Use ")


async def test_row_level_security_also_applies_to_the_owner(conn: asyncpg.Connection) -> None:
    await make_tenant(conn)
    name = f"crm_owner_{uuid4().hex[:8]}"
    await conn.execute(f"CREATE ROLE {name}")
    try:
        for table in DERIVED_TABLES:
            transaction = conn.transaction()
            await transaction.start()
            await conn.execute(f"GRANT USAGE, CREATE ON SCHEMA public TO {name}")
            await conn.execute(f"ALTER TABLE {table} OWNER TO {name}; SET LOCAL ROLE {name}")
            await conn.execute("SELECT set_config('request.jwt.claims', '{}', true)")
            try:
                assert await conn.fetch(f"SELECT id FROM {table}") == [], table
            except asyncpg.InsufficientPrivilegeError:
                pass  # a policy reads tables that this role may not read: access is denied as well
            finally:
                await transaction.rollback()
    finally:
        await conn.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


async def test_score_lead_has_the_rights_of_its_caller(conn: asyncpg.Connection) -> None:
    tenant, other = await make_tenant(conn), await make_tenant(conn)
    for lead, is_visible in ((tenant.lead_id, True), (other.lead_id, False), (uuid4(), False)):
        async with conn.transaction():
            await conn.execute("SET LOCAL ROLE authenticated")
            await conn.execute(
                "SELECT set_config('request.jwt.claims', $1, true)", json.dumps(tenant.user())
            )
            if is_visible:
                assert isinstance(await conn.fetchval("SELECT score_lead($1)", lead), UUID)
                continue
            savepoint = conn.transaction()
            await savepoint.start()
            with pytest.raises(asyncpg.NoDataFoundError, match="Lead not found"):
                await conn.fetchval("SELECT score_lead($1)", lead)
            await savepoint.rollback()


def test_every_table_of_the_plan_is_a_derived_table() -> None:
    assert len(PLAN_TABLES) == 10
    assert set(PLAN_TABLES) <= set(DERIVED_TABLES)
