"""Reads of the API: queries of the projections, which asyncpg runs on one connection."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import asyncpg
from sqlalchemy import Select, bindparam
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect

from events.log.connection import Connection

ACQUIRE_SECONDS = 10.0
"""Time to wait for a connection of the pool; then the response is 503."""
_DIALECT = asyncpg_dialect.dialect()  # type: ignore[no-untyped-call]


class ResultRow(asyncpg.Record):
    """A row whose columns are items, and attributes too."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class CompiledQuery(NamedTuple):
    """The text of a query, and the values of its parameters in order."""

    text: str
    values: tuple[Any, ...] = ()


class PreparedQuery:
    """A query that is built and compiled once; its values are given when it runs.

    `build` is a function of a projection that returns the query. It gets a placeholder for each of
    `names`, and the arguments `fixed`. To build and to compile takes longer than to run the query.
    """

    def __init__(self, build: "Callable[..., Select[Any]]", *names: str, **fixed: Any) -> None:
        self._build, self._names, self._fixed = build, names, fixed

    def __call__(self, **values: Any) -> CompiledQuery:
        """Return the query with these values, one for each name."""
        text, parameters, constants = self._compiled
        values |= constants
        return CompiledQuery(text, tuple([values[name] for name in parameters]))

    @cached_property
    def _compiled(self) -> tuple[str, Sequence[str], dict[str, Any]]:
        """The text, the names of its parameters in order, and the values that are always equal."""
        query = self._build(**{name: bindparam(name) for name in self._names}, **self._fixed)
        text, parameters, params = _compile(query)
        constants = {name: value for name, value in params.items() if name not in self._names}
        return text, parameters, constants


Query: TypeAlias = "Select[Any] | CompiledQuery"


class QueryRunner:
    """A connection in a transaction, for queries."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    async def plan_for_values(self) -> None:
        """Plan each further query of the transaction for its values.

        A plan for any values expects a property of average size, and then reads all its leads.
        """
        await self._conn.execute("SET LOCAL plan_cache_mode = force_custom_plan")

    async def all(self, query: Query) -> list[ResultRow]:
        """Return all rows."""
        text, values = compile_query(query)
        return await self._conn.fetch(text, *values, record_class=ResultRow)

    async def first(self, query: Query) -> ResultRow | None:
        """Return the first row, or None."""
        text, values = compile_query(query)
        return await self._conn.fetchrow(text, *values, record_class=ResultRow)

    async def scalar(self, query: Query) -> Any:
        """Return the first value of the first row, or None."""
        text, values = compile_query(query)
        return await self._conn.fetchval(text, *values)


def compile_query(query: Query) -> CompiledQuery:
    """Return the text of a query with its values."""
    if isinstance(query, CompiledQuery):
        return query
    text, parameters, values = _compile(query)
    return CompiledQuery(text, tuple([values[name] for name in parameters]))


def _compile(query: "Select[Any]") -> tuple[str, Sequence[str], Mapping[str, Any]]:
    compiled = query.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    return str(compiled), compiled.positiontup or (), compiled.params
