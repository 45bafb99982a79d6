"""Connections through a transaction-mode pooler: each transaction can have another session.

Nothing may outlive a transaction: no start-up parameters, no cached statements, no session locks.
So every transaction begins with the settings that a direct connection gets when it is opened, and a
statement outside of a transaction gets one of its own.
"""

from typing import Any

import asyncpg
from asyncpg.transaction import Transaction

NO_CACHED_STATEMENTS = {"statement_cache_size": 0}
"""Arguments of asyncpg: a statement without a name lives until the next one."""
NO_CACHED_STATEMENTS_OF_SQLALCHEMY = {
    **NO_CACHED_STATEMENTS,
    "prepared_statement_cache_size": 0,
    "prepared_statement_name_func": lambda: "",
}
"""The same as arguments of SQLAlchemy's dialect, which would give every statement a name."""


class PoolerTransaction(Transaction):
    """A transaction that begins with the settings of its connection."""

    def __init__(self, connection: "PoolerConnection", *options: Any) -> None:
        super().__init__(connection, *options)
        self._pooler_connection = connection

    async def start(self) -> None:
        """Begin the transaction or savepoint; a transaction assumes the settings."""
        connection = self._pooler_connection
        is_savepoint = connection.is_in_transaction()
        connection.is_beginning = True
        try:
            await super().start()
        finally:
            connection.is_beginning = False
        if is_savepoint or not connection.local_settings:
            return
        try:
            await connection.execute(connection.local_settings)
        except BaseException:
            await self.rollback()
            raise


class PoolerConnection(asyncpg.Connection):
    """A connection whose statements all run in transactions with local settings."""

    local_settings = ""
    """The statements with which every transaction begins: SET LOCAL …"""
    is_beginning = False
    """True while BEGIN is executed, which needs no transaction."""

    def transaction(self, **options: Any) -> Transaction:
        """Return a transaction that begins with the settings."""
        options = {"isolation": None, "readonly": False, "deferrable": False, **options}
        return PoolerTransaction(self, *options.values())

    def get_reset_query(self) -> str:
        """Return nothing: no state of a session outlives a transaction."""
        return ""

    def _needs_transaction(self) -> bool:
        return not (self.is_closed() or self.is_beginning or self.is_in_transaction())

    async def execute(self, *arguments: Any, **options: Any) -> str:
        """Execute in the current transaction, or in a new one."""
        if not self._needs_transaction():
            return await super().execute(*arguments, **options)
        async with self.transaction():
            return await super().execute(*arguments, **options)

    async def executemany(self, *arguments: Any, **options: Any) -> None:
        """Execute in the current transaction, or in a new one."""
        if not self._needs_transaction():
            return await super().executemany(*arguments, **options)
        async with self.transaction():
            return await super().executemany(*arguments, **options)

    async def fetch(self, *arguments: Any, **options: Any) -> Any:
        """Fetch in the current transaction, or in a new one."""
        if not self._needs_transaction():
            return await super().fetch(*arguments, **options)
        async with self.transaction():
            return await super().fetch(*arguments, **options)

    async def fetchrow(self, *arguments: Any, **options: Any) -> Any:
        """Fetch in the current transaction, or in a new one."""
        if not self._needs_transaction():
            return await super().fetchrow(*arguments, **options)
        async with self.transaction():
            return await super().fetchrow(*arguments, **options)

    async def fetchval(self, *arguments: Any, **options: Any) -> Any:
        """Fetch in the current transaction, or in a new one."""
        if not self._needs_transaction():
            return await super().fetchval(*arguments, **options)
        async with self.transaction():
            return await super().fetchval(*arguments, **options)

    async def copy_records_to_table(self, *arguments: Any, **options: Any) -> str:
        """Copy in the current transaction, or in a new one."""
        if not self._needs_transaction():
            return await super().copy_records_to_table(*arguments, **options)
        async with self.transaction():
            return await super().copy_records_to_table(*arguments, **options)


def pooler_connection_class(settings: dict[str, str]) -> type[PoolerConnection]:
    """Return a connection class whose transactions begin with these settings (name → value)."""
    statements = "; ".join(
        f"SET LOCAL {name} = '{_escape(value)}'" for name, value in settings.items()
    )
    return type("BoundPoolerConnection", (PoolerConnection,), {"local_settings": statements})


def _escape(value: str) -> str:
    return value.replace("'", "''")
