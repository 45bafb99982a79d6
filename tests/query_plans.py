"""The scans of a query plan: expected rows and rows that were really read."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ClauseElement, Executable, Select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles

MAXIMUM_ERROR_FACTOR = 100
"""An estimate is accurate if the real number of rows differs by this factor at most."""
MINIMUM_ROWS = 1_000
"""Below this number of rows every plan is good, and estimates are not checked."""


class _Explain(Executable, ClauseElement):
    inherit_cache = False

    def __init__(self, query: "Select[Any]") -> None:
        self.query = query


@compiles(_Explain)
def _compile_explain(element: _Explain, compiler: Any, **options: Any) -> str:
    return f"EXPLAIN (ANALYZE, FORMAT JSON) {compiler.process(element.query, **options)}"


@dataclass(frozen=True, slots=True)
class Scan:
    """One table scan in a plan.

    Row counts are the sums over all loops. `is_limited` is true below a LIMIT, which can end the
    scan early.
    """

    kind: str
    table: str
    expected: float
    returned: float
    removed: float
    is_limited: bool

    @property
    def is_well_estimated(self) -> bool:
        expected, returned = max(self.expected, 1), max(self.returned, 1)
        if max(expected, returned) < MINIMUM_ROWS:
            return True
        return returned <= MAXIMUM_ERROR_FACTOR * expected and (
            self.is_limited or expected <= MAXIMUM_ERROR_FACTOR * returned
        )


async def run_and_read_scans(conn: AsyncConnection, query: "Select[Any]") -> list[Scan]:
    """Run the query with EXPLAIN ANALYZE and return the scans that were executed."""
    output = await conn.scalar(_Explain(query))
    return read_scans(output)


def read_scans(output: Any) -> list[Scan]:
    """Return the executed scans of an output of EXPLAIN (ANALYZE, FORMAT JSON)."""
    plan = json.loads(output) if isinstance(output, str) else output
    return list(_scans(plan[0]["Plan"], False))


def _scans(node: dict[str, Any], is_limited: bool) -> Iterator[Scan]:
    loops = node["Actual Loops"]
    if not loops:
        return
    if "Relation Name" in node:
        removed = node.get("Rows Removed by Filter", 0) + node.get(
            "Rows Removed by Index Recheck", 0
        )
        yield Scan(
            node["Node Type"], node["Relation Name"], node["Plan Rows"] * loops,
            node["Actual Rows"] * loops, removed * loops, is_limited,
        )  # fmt: skip
    for inner in node.get("Plans", ()):
        yield from _scans(inner, is_limited or node["Node Type"] == "Limit")


def find_problems(
    name: str, scans: list[Scan], large_tables: dict[str, int], maximum_rows: int
) -> list[str]:
    """Return the problems of a plan, one text each.

    Only scans of `large_tables` (name → number of rows) are checked. A scan may read
    `maximum_rows` rows.
    """
    problems = []
    for scan in scans:
        if scan.table not in large_tables:
            continue
        if scan.kind == "Seq Scan":
            problems.append(f"{name}: reads all rows of {scan.table}")
        elif scan.returned + scan.removed > maximum_rows:
            problems.append(f"{name}: reads {scan.returned + scan.removed:,.0f} of {scan.table}")
        if not scan.is_well_estimated:
            problems.append(f"{name}: inaccurate estimate: {scan}")
    return problems
