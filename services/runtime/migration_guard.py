"""The guard of `crm db migrate`: it refuses to change the access of the host's own roles silently.

It looks before the first statement, so that a refused migration locks nothing, and once more at the
end of the transaction, so that also a later migration cannot hide rows.
"""

from sqlalchemy import Connection
from sqlalchemy.exc import ProgrammingError

from services.runtime.core_roles import MigrationRefused, require_membership, require_roles
from services.runtime.host_access import (
    ACCESS_QUERY,
    ALL_TABLES,
    CHOICES,
    HostAccess,
    TableAccess,
    choice_statements,
    describe,
    find_lost,
    find_unsolved,
    read_access,
)
from services.runtime.host_columns import COLUMNS_QUERY, compare_columns

SECURING_REVISION = "0007"
"""The migration that puts the host's tables under row level security."""
_FOREIGN_TABLES = f"""
SELECT relname AS table, pg_get_userbyid(relowner) AS owner FROM pg_class
WHERE oid IN ({", ".join(f"to_regclass('public.{name}')" for name in ALL_TABLES)})
  AND NOT pg_has_role(current_user, relowner, 'USAGE') ORDER BY 1"""


class MigrationGuard:
    """The checks around one migration; the connection is in the migration's transaction."""

    def __init__(self, revision: str, choice: HostAccess | None) -> None:
        self._revision, self._choice = revision, choice
        self._before: list[TableAccess] = []

    def check_before(self, connection: Connection) -> None:
        """Raise `MigrationRefused` before anything is changed."""
        _require_ownership(connection)
        require_roles(connection)
        _require_types(connection)
        self._before = _read_access(connection)
        if self._will_secure(connection):
            self._require_choice(
                find_lost(self._before, [access.after_migration() for access in self._before])
            )

    def check_after(self, connection: Connection) -> None:
        """Carry out the choice. Raise `MigrationRefused` if access is lost or a role is missing."""
        require_membership(connection)
        after = _read_access(connection)
        lost = find_lost(self._before, after)
        self._require_choice(lost)
        if self._choice is not None:
            hidden = lost or [access for access in after if access.sees_nothing]
            _execute(connection, [*choice_statements(self._choice, hidden)] if hidden else [])
            self._require_nothing(find_lost(self._before, _read_access(connection)))

    def _will_secure(self, connection: Connection) -> bool:
        is_secured = connection.exec_driver_sql(
            "SELECT to_regprocedure('crm.guard_table(regclass,text)') IS NOT NULL"
        ).scalar_one()
        is_target = self._revision in ("head", "heads") or self._revision >= SECURING_REVISION
        return not is_secured and is_target

    def _require_choice(self, lost: list[TableAccess]) -> None:
        if not lost:
            return
        if self._choice is None:
            raise MigrationRefused(
                "the migration puts the host's tables under row level security, and these roles "
                f"would see none of their rows any more:\n{describe(lost)}\n{CHOICES}"
            )
        if problems := find_unsolved(self._choice, lost):
            raise MigrationRefused(
                f"--host-access {self._choice} is not enough:\n  " + "\n  ".join(problems)
            )

    def _require_nothing(self, lost: list[TableAccess]) -> None:
        if lost:
            raise MigrationRefused(
                f"after --host-access {self._choice} these roles would still see no rows:\n"
                f"{describe(lost)}\n{CHOICES}"
            )


def _read_access(connection: Connection) -> list[TableAccess]:
    return read_access(
        {str(name): value for name, value in row.items()}
        for row in connection.exec_driver_sql(ACCESS_QUERY).mappings()
    )


def _require_ownership(connection: Connection) -> None:
    rows = connection.exec_driver_sql(_FOREIGN_TABLES).all()
    if rows:
        name = connection.exec_driver_sql("SELECT current_user::text").scalar_one()
        tables = ", ".join(f"{row.table} (of {row.owner})" for row in rows)
        grants = "; ".join(f'GRANT "{owner}" TO "{name}"' for owner in {row.owner for row in rows})
        raise MigrationRefused(
            f"{name} is not the owner of {tables}, and only the owner can add columns and "
            f"policies: migrate as the owner, or run as a superuser: {grants}"
        )


def _require_types(connection: Connection) -> None:
    """Raise if a column of the host has a type that the core's functions do not take."""
    rows = connection.exec_driver_sql(COLUMNS_QUERY).mappings().all()
    if problems := [str(problem) for problem in compare_columns(rows) if problem.is_type]:
        raise MigrationRefused("the core cannot use the host's tables: " + "; ".join(problems))


def _execute(connection: Connection, statements: list[str]) -> None:
    try:
        for statement in statements:
            with connection.begin_nested():
                connection.exec_driver_sql(statement)
    except ProgrammingError as error:
        raise MigrationRefused(
            "the migrating role may not carry out the choice: run as a superuser, then migrate "
            f"again: {'; '.join(statements)}"
        ) from error
