"""The host's reference tables: who may write them as a client, and whether membership is protected.

A client of the host (`anon`, `authenticated`) can write a row if it has a grant and if row level
security is off or a permissive policy allows it. Such a write is the host's decision, so it is a
warning. A missing protection of the core is a problem.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from events.log.connection import Connection

REFERENCE_TABLES = ("organizations", "properties", "profiles")
MEMBERSHIP_GUARD = "crm_protect_membership"
"""The database trigger on profiles that keeps id, org_id and role from clients."""

_GUARD = """
SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = to_regclass('public.profiles')
  AND tgname = $1 AND tgenabled = 'A')"""
_WRITES = """
SELECT c.relname AS name, r.rolname AS role, w.privilege, c.relrowsecurity AS is_secured,
  ARRAY(SELECT p.polname::text FROM pg_policy p WHERE p.polrelid = c.oid AND p.polpermissive
    AND p.polcmd IN ('*', w.command) AND EXISTS (SELECT FROM unnest(p.polroles) AS role
      WHERE role = 0 OR pg_has_role(r.oid, role, 'USAGE')) ORDER BY 1) AS policies
FROM pg_class c CROSS JOIN pg_roles r
CROSS JOIN (VALUES ('INSERT', 'a'::"char"), ('UPDATE', 'w'), ('DELETE', 'd'), ('TRUNCATE', '-'))
  AS w (privilege, command)
WHERE c.oid IN (SELECT to_regclass('public.' || name) FROM unnest($1::text[]) AS name)
  AND r.rolname IN ('anon', 'authenticated')
  AND (has_table_privilege(r.oid, c.oid, w.privilege) OR w.privilege IN ('INSERT', 'UPDATE')
    AND has_any_column_privilege(r.oid, c.oid, w.privilege))
ORDER BY 1, 2, 3"""
_KEPT = {
    "profiles": "the core keeps id, org_id and role from clients, the policy decides on the rest",
    "properties": "settings decide on time zone, slots and templates of the property",
    "organizations": "settings decide on retention, which deletes data",
}


@dataclass(frozen=True, slots=True)
class SchemaFindings:
    """The result of a check: problems, which must be solved, and warnings."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


async def find_client_writes(conn: Connection) -> SchemaFindings:
    """Return one sentence for each way in which a client can write a reference table."""
    found = SchemaFindings()
    if not await conn.fetchval(_GUARD, MEMBERSHIP_GUARD):
        found.problems.append(
            f"table public.profiles lacks the trigger {MEMBERSHIP_GUARD}, or it is off: a client "
            "with a policy for its own profile can make itself an admin of any organisation; run "
            f"`ALTER TABLE profiles ENABLE ALWAYS TRIGGER {MEMBERSHIP_GUARD}` or `crm db migrate`"
        )
    for row in await conn.fetch(_WRITES, list(REFERENCE_TABLES)):
        name, role, privilege = row["name"], row["role"], row["privilege"]
        revoke = f"run `REVOKE {privilege} ON {name} FROM {role}` unless it is needed"
        if not row["is_secured"]:
            found.problems.append(
                f"{role} may {privilege} public.{name} and row level security is off: {revoke}, "
                f"and `ALTER TABLE {name} ENABLE ROW LEVEL SECURITY`"
            )
        elif privilege == "TRUNCATE":
            found.warnings.append(
                f"{role} may TRUNCATE public.{name}, which no policy limits: {revoke}"
            )
        else:
            found.warnings.extend(_policy_warnings(name, role, privilege, row["policies"], revoke))
    return found


def _policy_warnings(
    name: str, role: str, privilege: str, policies: list[str], revoke: str
) -> Iterator[str]:
    """Yield a warning if a policy lets the role use its privilege."""
    if policies:
        quoted = ", ".join(f'"{policy}"' for policy in policies)
        yield f"{role} may {privilege} public.{name} by policy {quoted}: {_KEPT[name]}; {revoke}"
