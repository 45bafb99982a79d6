"""Comparing live tables with their twins: counts, checksums whatever the order, differences."""

from dataclasses import dataclass, field
from typing import Any

from events.log.connection import Connection
from projections.engine.projection import DerivedTable

SHOWN = 5


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


async def compare(conn: Connection, table: DerivedTable, schema: str) -> Comparison:
    """Compare in the caller's transaction, which must be one REPEATABLE READ snapshot."""
    row = ", ".join(f'"{column}"' for column in table.columns)
    counted = (
        f"SELECT count(*), sum(hash_record_extended(ROW({row}), 0)::numeric) AS checksum FROM "
    )
    (live,) = await conn.fetch(f"{counted} {table.schema}.{table.name}")
    (new,) = await conn.fetch(f"{counted} {schema}.{table.name}")
    equal = tuple(live) == tuple(new)
    found = [] if equal else await _differences(conn, table, schema)
    return Comparison(table.name, live["count"], new["count"], equal, found)


async def _differences(conn: Connection, table: DerivedTable, schema: str) -> list[Difference]:
    key = table.key
    row = ", ".join(f'"{column}"' for column in table.columns)
    rows = await conn.fetch(
        f"SELECT coalesce(live.key, new.key)::text AS key, live.said AS live, new.said AS new "
        f"FROM (SELECT {key} AS key, to_jsonb(t) AS said FROM "
        f"      (SELECT {row} FROM {table.schema}.{table.name}) AS t) AS live "
        f"FULL JOIN (SELECT {key} AS key, to_jsonb(t) AS said FROM "
        f"      (SELECT {row} FROM {schema}.{table.name}) AS t) AS new USING (key) "
        f"WHERE live.said IS DISTINCT FROM new.said ORDER BY 1 LIMIT {SHOWN}"
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
