"""Comparing live tables with their twins: counts, checksums whatever the order, differences."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self
from uuid import UUID

from events.log.connection import Connection
from projections.engine.adoption import HostRows
from projections.engine.projection import DerivedTable

SHOWN = 5
PATIENCE_SECONDS = 86_400.0
"""Whole tables are compared, longer than the connection awaits other answers."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One row that is not the same on both sides; `columns`: name → (live, rebuilt)."""

    key: str
    columns: dict[str, tuple[Any, Any]]

    def __str__(self) -> str:
        said = ", ".join(
            f"{name}: {live!r} → {new!r}" for name, (live, new) in self.columns.items()
        )
        return f"{self.key}: {said}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What one table's two sides hold."""

    table: str
    live_rows: int
    rebuilt_rows: int
    equal: bool
    differences: list[Difference] = field(default_factory=list)


async def compare(conn: Connection, table: DerivedTable, schema: str, host: HostRows) -> Comparison:
    """Compare in the caller's transaction, which must be one REPEATABLE READ snapshot."""
    row = ", ".join(f'"{column}"' for column in table.columns)
    counted = (
        f"SELECT count(*), sum(hash_record_extended(ROW({row}), 0)::numeric) AS checksum FROM "
    )
    sides = _Sides.of(table, schema, host)
    (live,) = await conn.fetch(counted + sides.live, *sides.values, timeout=PATIENCE_SECONDS)
    (new,) = await conn.fetch(counted + sides.new, *sides.values, timeout=PATIENCE_SECONDS)
    equal = tuple(live) == tuple(new)
    found = [] if equal else await _differences(conn, table, sides)
    return Comparison(table.name, live["count"], new["count"], equal, found)


class _Sides(NamedTuple):
    """What is compared, as SQL: a table and what of it counts; `values` are its parameters."""

    live: str
    new: str
    values: tuple[Sequence[UUID], ...]

    @classmethod
    def of(cls, table: DerivedTable, schema: str, host: HostRows) -> Self:
        live, new = f"{table.schema}.{table.name}", f"{schema}.{table.name}"
        if not (table.kept and host.shared):
            return cls(live, new, ())
        level = f'"{table.key}" <> ALL ($1::uuid[])'
        return cls(
            f"{live} WHERE org_id IS NOT NULL AND {level}", f"{new} WHERE {level}", (host.ahead,)
        )


async def _differences(conn: Connection, table: DerivedTable, sides: _Sides) -> list[Difference]:
    key = table.key
    row = ", ".join(f'"{column}"' for column in table.columns)
    rows = await conn.fetch(
        f"SELECT coalesce(live.key, new.key)::text AS key, live.said AS live, new.said AS new "
        f"FROM (SELECT {key} AS key, to_jsonb(t) AS said FROM "
        f"      (SELECT {row} FROM {sides.live}) AS t) AS live "
        f"FULL JOIN (SELECT {key} AS key, to_jsonb(t) AS said FROM "
        f"      (SELECT {row} FROM {sides.new}) AS t) AS new USING (key) "
        f"WHERE live.said IS DISTINCT FROM new.said ORDER BY 1 LIMIT {SHOWN}",
        *sides.values,
        timeout=PATIENCE_SECONDS,
    )
    return [
        Difference(found["key"], _columns(found["live"] or {}, found["new"] or {}))
        for found in rows
    ]


def _columns(live: dict[str, Any], new: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    names = list({**live, **new})
    return {
        name: (live.get(name), new.get(name)) for name in names if live.get(name) != new.get(name)
    }
