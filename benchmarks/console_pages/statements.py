"""The statements of a request, with the rows that they read: from the log of PostgreSQL.

The module auto_explain writes the plan of each statement with the numbers of its rows.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from events.log.connection import Connection

SETTINGS = {
    "session_preload_libraries": "auto_explain", "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on", "auto_explain.log_buffers": "on",
    "auto_explain.log_timing": "off", "auto_explain.log_format": "json",
    "auto_explain.log_level": "warning",
    "auto_explain.log_parameter_max_length": "0",
}  # fmt: skip
_PLAN = re.compile(r"duration: ([\d.]+) ms  plan:\n((?:\t.*\n)+)")


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that was executed: its time, and the rows and pages of 8 KiB that it read."""

    text: str
    milliseconds: float
    rows: int
    pages: int


async def log_plans(conn: Connection, database: str, *, enabled: bool) -> None:
    """Let new sessions of a database write all plans to the log of the server, or stop it."""
    for name, value in SETTINGS.items():
        change = f"SET {name} = '{value}'" if enabled else f"RESET {name}"
        await conn.execute(f'ALTER DATABASE "{database}" {change}')


def read_statements(log: Path, offset: int) -> list[Statement]:
    """Return the statements that the log has after an offset."""
    with log.open(encoding="utf-8", errors="replace") as lines:
        lines.seek(offset)
        text = lines.read()
    return [
        _statement(float(found.group(1)), json.loads(found.group(2)))
        for found in _PLAN.finditer(text)
    ]


def _statement(milliseconds: float, document: dict[str, Any]) -> Statement:
    plan = document["Plan"]
    pages = plan.get("Shared Hit Blocks", 0) + plan.get("Shared Read Blocks", 0)
    return Statement(document["Query Text"], milliseconds, _rows(plan), pages)


def _rows(plan: dict[str, Any]) -> int:
    """Return the rows that the scans of a plan read, with those that a filter removed."""
    own = 0
    if "Scan" in plan["Node Type"] and "Relation Name" in plan:
        removed = plan.get("Rows Removed by Filter", 0) + plan.get(
            "Rows Removed by Index Recheck", 0
        )
        own = round((plan["Actual Rows"] + removed) * plan["Actual Loops"])
    children: Sequence[dict[str, Any]] = plan.get("Plans", ())
    return own + sum(map(_rows, children))


def explained_statements(statements: Sequence[Statement]) -> Iterator[Statement]:
    """Yield the statements that read rows, the most expensive first."""
    yield from sorted(
        (one for one in statements if one.pages), key=lambda one: one.milliseconds, reverse=True
    )
