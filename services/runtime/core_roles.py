"""The database roles of the core: a migration needs them and the membership in them."""

from sqlalchemy import Connection
from sqlalchemy.exc import ProgrammingError

ROLES = {
    "anon": "CREATE ROLE anon NOLOGIN",
    "authenticated": "CREATE ROLE authenticated NOLOGIN",
    "service_role": "CREATE ROLE service_role NOLOGIN BYPASSRLS",
}
"""The roles of the core, and the statements that create them."""

ROLE_STATE = """
SELECT r.rolname, r.rolbypassrls,
  pg_has_role(current_user, r.oid,
    CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END)
  AS is_member
FROM pg_roles r WHERE r.rolname IN ('anon', 'authenticated', 'service_role')"""
"""The roles of the core that exist, and whether the current role can switch to them."""
_SELF = """
SELECT current_user::text AS name, rolsuper, rolcreaterole, rolbypassrls,
  current_setting('server_version_num')::int AS version
FROM pg_roles WHERE rolname = current_user"""


class MigrationRefused(Exception):
    """The migration needs a decision or a statement of the operator first."""


def require_roles(connection: Connection) -> None:
    """Raise unless the core's roles exist or the migration may create them."""
    present = {row.rolname: row for row in connection.exec_driver_sql(ROLE_STATE)}
    me = connection.exec_driver_sql(_SELF).one()
    missing = [statement for name, statement in ROLES.items() if name not in present]
    may_create = me.rolsuper or (me.rolcreaterole and me.rolbypassrls and me.version >= 160000)
    if missing and not may_create:
        grant = f'GRANT {", ".join(ROLES)} TO "{me.name}"'
        raise MigrationRefused(
            f"{me.name} may not create the roles of the core: run as a superuser: "
            f"{'; '.join([*missing, grant])}"
        )
    service_role = present.get("service_role")
    if service_role is not None and not service_role.rolbypassrls:
        raise MigrationRefused(
            "service_role does not bypass row level security, so that the core would see no rows: "
            "run as a superuser: ALTER ROLE service_role BYPASSRLS"
        )
    lacking = [name for name, row in present.items() if not row.is_member]
    if lacking and not me.rolsuper:
        _grant(connection, me.name, lacking)


def require_membership(connection: Connection) -> None:
    """Raise unless the migrating role can switch to every role of the core."""
    me = connection.exec_driver_sql(_SELF).one()
    rows = connection.exec_driver_sql(ROLE_STATE)
    if not me.rolsuper and (lacking := [row.rolname for row in rows if not row.is_member]):
        _grant(connection, me.name, lacking)


def _grant(connection: Connection, name: str, roles: list[str]) -> None:
    """Grant roles to the migrating role. Raise `MigrationRefused` if that is not allowed."""
    statement = f'GRANT {", ".join(sorted(roles))} TO "{name}"'
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(statement)
    except ProgrammingError as error:
        raise MigrationRefused(
            f"{name} is not a member of {', '.join(sorted(roles))} and may not grant itself the "
            f"membership: run as a superuser: {statement}"
        ) from error
