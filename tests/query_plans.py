"""How PostgreSQL answers a query: what it scanned, what it had expected, what it really read."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ClauseElement, Executable, Select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles

MOST_OFF = 100
"""So many times more, or fewer, rows than expected are still a good guess."""
MATTERS = 1_000
"""Where fewer rows than this are expected and found, any plan does."""


class _Explain(Executable, ClauseElement):
    inherit_cache = False

    def __init__(self, query: "Select[Any]") -> None:
        self.query = query


@compiles(_Explain)
def _explained(element: _Explain, compiler: Any, **options: Any) -> str:
    return f"EXPLAIN (ANALYZE, FORMAT JSON) {compiler.process(element.query, **options)}"


@dataclass(frozen=True, slots=True)
class Scan:
    """One table read in a plan; rows are those of all its loops, `cut` where a LIMIT stopped it."""

    kind: str
    table: str
    expected: float
    found: float
    thrown_away: float
    cut: bool

    @property
    def good_guess(self) -> bool:
        expected, found = max(self.expected, 1), max(self.found, 1)
        if max(expected, found) < MATTERS:
            return True
        return found <= MOST_OFF * expected and (self.cut or expected <= MOST_OFF * found)


async def scans_of(conn: AsyncConnection, query: "Select[Any]") -> list[Scan]:
    """The scans that were really done when the query was run."""
    said = await conn.scalar(_Explain(query))
    plan = json.loads(said) if isinstance(said, str) else said
    return list(_scans(plan[0]["Plan"], False))


def _scans(node: dict[str, Any], cut: bool) -> Iterator[Scan]:
    loops = node["Actual Loops"]
    if not loops:
        return
    if "Relation Name" in node:
        removed = node.get("Rows Removed by Filter", 0) + node.get(
            "Rows Removed by Index Recheck", 0
        )
        yield Scan(
            node["Node Type"], node["Relation Name"], node["Plan Rows"] * loops,
            node["Actual Rows"] * loops, removed * loops, cut,
        )  # fmt: skip
    for inner in node.get("Plans", ()):
        yield from _scans(inner, cut or node["Node Type"] == "Limit")


def complaints(name: str, scans: list[Scan], big: dict[str, int], most: int) -> list[str]:
    """What is wrong with a plan over these big tables (name → rows): `most` rows may be touched."""
    found = []
    for scan in scans:
        if scan.table not in big:
            continue
        if scan.kind == "Seq Scan":
            found.append(f"{name}: reads all of {scan.table}")
        elif scan.found + scan.thrown_away > most:
            found.append(f"{name}: touches {scan.found + scan.thrown_away:,.0f} of {scan.table}")
        if not scan.good_guess:
            found.append(f"{name}: {scan}")
    return found
