"""Access of the host's roles to its own tables, which migrations put under row level security.

A role without BYPASSRLS sees no rows of a table under row level security unless a policy allows it;
if it is forced, this is true for the owner too. So `crm db migrate` compares what roles see before
and after, and the operator chooses how they keep their access.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from projections.catalog import HOST_TABLES, LIVE

HostAccess: TypeAlias = Literal["policies", "bypass", "unforced"]
"""The choice of the operator by which roles of the host keep their access: see `CHOICES`."""

SHARED_TABLES = tuple(table.name for table in LIVE.tables if table.is_in_place)
"""The host tables that the core writes too: row level security is forced on them."""
ALL_TABLES = (*(table.name for table in HOST_TABLES), *SHARED_TABLES)
EVERYBODY = "PUBLIC"

CHOICES = """Choose how these roles keep their access:
  --host-access policies   create a policy on each table for each role, with which it sees all rows
  --host-access bypass     ALTER ROLE … BYPASSRLS for each role; needs a superuser
  --host-access unforced   do not force row level security on the host's tables: enough for an owner
A role that should lose its access: revoke its privileges before."""

ACCESS_QUERY = f"""
WITH tables AS (
  SELECT oid, relname, relowner, relacl, relrowsecurity, relforcerowsecurity FROM pg_class
  WHERE oid IN ({", ".join(f"to_regclass('public.{name}')" for name in ALL_TABLES)})
), users (role, table_id) AS (
  SELECT relowner, tables.oid FROM tables
  UNION SELECT acl.grantee, tables.oid FROM tables, aclexplode(relacl) AS acl
    WHERE acl.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
  UNION SELECT acl.grantee, tables.oid FROM tables
    JOIN pg_attribute ON attrelid = tables.oid, aclexplode(attacl) AS acl
  UNION SELECT member, tables.oid FROM tables, pg_auth_members
    WHERE roleid IN (SELECT r.oid FROM pg_roles r
                     WHERE rolname IN ('pg_read_all_data', 'pg_write_all_data'))
)
SELECT t.relname AS table, coalesce(r.rolname, '{EVERYBODY}') AS role,
  coalesce(pg_has_role(r.oid, t.relowner, 'USAGE'), false) AS is_owner,
  t.relrowsecurity AS is_secured, t.relforcerowsecurity AS is_forced,
  coalesce(bool_or(p.polcmd = '*' AND pg_get_expr(p.polqual, p.polrelid) = 'true'), false)
    AS has_full_policy,
  coalesce(bool_or(p.polcmd IN ('*', 'r')), false) AS has_read_policy,
  r.oid IS NULL OR EXISTS (SELECT FROM pg_roles c WHERE c.rolname IN ('anon', 'authenticated')
    AND pg_has_role(c.oid, r.oid, 'USAGE')) AS is_client
FROM users u JOIN tables t ON t.oid = u.table_id LEFT JOIN pg_roles r ON r.oid = u.role
LEFT JOIN pg_policy p ON p.polrelid = t.oid AND p.polpermissive AND EXISTS (
  SELECT FROM unnest(p.polroles) AS allowed
  WHERE allowed = 0 OR r.oid IS NOT NULL AND pg_has_role(r.oid, allowed, 'USAGE')
    AND pg_get_userbyid(allowed) NOT IN ('anon', 'authenticated'))
WHERE u.role = 0 OR NOT (r.rolsuper OR r.rolbypassrls OR r.rolname LIKE 'pg\\_%'
  OR r.rolname IN ('anon', 'authenticated', 'service_role'))
GROUP BY t.relname, r.rolname, r.oid, t.relowner, t.relrowsecurity, t.relforcerowsecurity
ORDER BY 2, 1"""
"""Query for the roles that use each host table, without those that row level security skips.

A policy for clients shows rows only to whoever has the claims of a client, so it does not count.
"""


@dataclass(frozen=True, slots=True)
class TableAccess:
    """The access of one role to one table. `is_client`: a policy for it would include clients."""

    table: str
    role: str
    is_owner: bool
    is_secured: bool
    is_forced: bool
    has_full_policy: bool
    has_read_policy: bool
    is_client: bool

    @property
    def sees_all(self) -> bool:
        is_exempt = self.is_owner and not self.is_forced
        return not self.is_secured or is_exempt or self.has_full_policy

    @property
    def sees_nothing(self) -> bool:
        return not self.sees_all and not self.has_read_policy

    def after_migration(self) -> "TableAccess":
        """Return the access that remains when the core is installed and nothing is chosen."""
        is_forced = self.is_forced or self.table in SHARED_TABLES
        return replace(self, is_secured=True, is_forced=is_forced)


def read_access(rows: Iterable[Mapping[str, Any]]) -> list[TableAccess]:
    """Return the result of `ACCESS_QUERY`."""
    return [TableAccess(**row) for row in rows]


def find_lost(before: Iterable[TableAccess], after: Iterable[TableAccess]) -> list[TableAccess]:
    """Return the access after, of the roles that saw all rows before and do not any more."""
    had = {(access.role, access.table) for access in before if access.sees_all}
    return [
        access for access in after if (access.role, access.table) in had and not access.sees_all
    ]


def describe(lost: Sequence[TableAccess]) -> str:
    """Return one line for each role with the tables of which it would see no rows."""
    lines = []
    for role in sorted({access.role for access in lost}):
        tables = [access for access in lost if access.role == role]
        names = ", ".join(access.table for access in tables)
        kind = "owner" if all(access.is_owner for access in tables) else "user"
        lines.append(f"  {role} ({kind} of {names}) has no policy on these tables")
    return "\n".join(lines)


def choice_statements(choice: HostAccess, lost: Sequence[TableAccess]) -> Iterator[str]:
    """Yield the SQL that keeps the access."""
    match choice:
        case "policies":
            for access in lost:
                role = _quoted(access.role)
                name = _quoted(f"{access.role} keeps its access"[:63])
                yield (
                    f"CREATE POLICY {name} ON public.{access.table} FOR ALL TO {role} "
                    "USING (true) WITH CHECK (true)"
                )
        case "bypass":
            for role in sorted({access.role for access in lost}):
                yield f"ALTER ROLE {_quoted(role)} BYPASSRLS"
        case "unforced":
            for table in SHARED_TABLES:
                yield f"ALTER TABLE public.{table} NO FORCE ROW LEVEL SECURITY"


def find_unsolved(choice: HostAccess, lost: Iterable[TableAccess]) -> list[str]:
    """Return why a choice does not keep the access of some roles, one sentence each."""
    problems = set()
    for access in lost:
        if access.role == EVERYBODY and choice != "unforced":
            problems.add(
                f"{access.table} is granted to PUBLIC, which includes clients: grant it to the "
                f"roles that use it, then `REVOKE ALL ON {access.table} FROM PUBLIC`"
            )
        elif access.is_client and choice == "policies":
            problems.add(
                f"anon or authenticated is a member of {access.role}: a policy for it would show "
                "clients the rows of all organisations; choose another role for the host"
            )
        elif choice == "unforced" and (not access.is_owner or access.table not in SHARED_TABLES):
            problems.add(
                f"{access.role} is not the owner of {access.table}, so that unforced row level "
                "security does not help it: choose policies"
            )
    return sorted(problems)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
