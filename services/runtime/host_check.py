"""The check of a host database: who can write it as a client, and whose access the core hides."""

from events.log.connection import Connection
from projections.engine.host_triggers import read_host_triggers
from services.runtime.client_writes import SchemaFindings, find_client_writes
from services.runtime.core_roles import ROLE_STATE, ROLES
from services.runtime.host_access import ACCESS_QUERY, describe, read_access
from services.runtime.host_columns import TABLES, find_column_problems


async def find_host_findings(conn: Connection) -> SchemaFindings:
    """Return the problems and warnings of the host's tables and of the roles of the core."""
    found = await find_client_writes(conn)
    found.problems.extend(await _find_missing_memberships(conn))
    found.problems.extend(str(problem) for problem in await find_column_problems(conn))
    found.warnings.extend(await _find_firing_triggers(conn))
    if hidden := await _find_hidden_roles(conn):
        # Where only the core writes these tables, a role that sees nothing is no fault.
        is_shared = await conn.fetchval("SELECT state <> 'none' FROM crm.adoption")
        (found.problems if is_shared else found.warnings).append(hidden)
    return found


async def _find_missing_memberships(conn: Connection) -> list[str]:
    rows = {row["rolname"]: row for row in await conn.fetch(ROLE_STATE)}
    name = await conn.fetchval("SELECT current_user::text")
    lacking = [role for role in ROLES if role not in rows or not rows[role]["is_member"]]
    if not lacking:
        return []
    roles = ", ".join(lacking)
    grant = f'GRANT {roles} TO "{name}"'
    return [f"{name} cannot switch to {roles}, so that no process can work; run `{grant}`"]


async def _find_firing_triggers(conn: Connection) -> list[str]:
    triggers = await read_host_triggers(conn, [table.live_name for table in TABLES])
    return [
        f"trigger {trigger.name} of the host on public.{trigger.table} fires for every row that "
        f"the core writes; to stop that, run `{'; '.join(trigger.exemption)}`"
        for trigger in triggers
        if trigger.fires_for_engine
    ]


async def _find_hidden_roles(conn: Connection) -> str | None:
    accesses = read_access(dict(row) for row in await conn.fetch(ACCESS_QUERY))
    hidden = [access for access in accesses if access.sees_nothing]
    if not hidden:
        return None
    roles = "; ".join(line.strip() for line in describe(hidden).splitlines())
    return (
        f"row level security hides the host's rows from roles of the host: {roles}; run "
        "`crm db migrate --host-access policies` (see --help for other choices), or revoke their "
        "privileges"
    )
