"""Connections through a transaction-mode pooler: each transaction can have another session.

Nothing may outlive a transaction: no start-up parameters, no cached statements, no session locks.
So every transaction begins with the settings that a direct connection gets when it is opened, and a
statement outside of a transaction gets one of its own.
"""

from typing import Any

from services.runtime.announcer import AnnouncingConnection

NO_CACHED_STATEMENTS = {"statement_cache_size": 0}
"""Arguments of asyncpg: a statement without a name lives until the next one."""
NO_CACHED_STATEMENTS_OF_SQLALCHEMY = {
    **NO_CACHED_STATEMENTS,
    "prepared_statement_cache_size": 0,
    "prepared_statement_name_func": lambda: "",
}
"""The same as arguments of SQLAlchemy's dialect, which would give every statement a name."""


class SessionlessConnection(AnnouncingConnection):
    """A connection whose session keeps nothing: no code of the core sets, locks or listens in it.

    So the pool needs no statement to reset it.
    """

    def get_reset_query(self) -> str:
        """Return nothing."""
        return ""


class PoolerConnection(SessionlessConnection):
    """A connection whose statements all run in transactions with local settings."""

    local_settings = ""
    """The statements with which every transaction begins: SET LOCAL …"""

    def _needs_transaction(self) -> bool:
        return not (self.is_closed() or self.is_in_transaction())

    async def execute(self, query: str, *arguments: Any, **options: Any) -> str:
        """Execute in the current transaction, or in a new one.

        BEGIN is sent together with the settings: they cost no round trip.
        """
        if not self._needs_transaction():
            return await super().execute(query, *arguments, **options)
        if query.startswith("BEGIN"):
            begin, _, rest = query.partition(";")
            query = f"{begin}; {self.local_settings}; {rest}" if self.local_settings else query
            return await super().execute(query, **options)
        async with self.transaction():
            return await super().execute(query, *arguments, **options)

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
