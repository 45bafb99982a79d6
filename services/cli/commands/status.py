"""`crm status`: show whether the stack runs and whether each of its processes is ready.

For the processes that apply events it shows how many they have not applied yet.

The exit code is 1 if a process is not ready or the database has a problem.
"""

import asyncio
from typing import Any

import asyncpg
import httpx2
from cyclopts import App

from services.application.standstill_problems import count_lags, find_standstill_problems
from services.runtime.database import connect
from services.runtime.database_settings import DatabaseSettings
from services.runtime.schema_check import find_problems
from services.runtime.stack_state import home_directory, read_state
from services.runtime.terminal import examples, print_rows

REQUEST_SECONDS = 5

app = App(
    name="status",
    help_epilogue=examples("crm status", "crm status --json"),
    help_format="plaintext",
)


@app.default
def status(*, json: bool = False) -> int:
    """Show the state of every process and the problems of the database's tables.

    Parameters
    ----------
    json
        Print a JSON list.
    """
    state = read_state(home_directory())
    rows: list[dict[str, Any]] = []
    if state is not None:
        database = {"database_url": state.settings["database_url"]}
        settings = DatabaseSettings.model_validate(database)
        lags = read_lags(settings)
        rows = [
            {**read_readiness(name, url), "lag_events": lags.get(name)}
            for name, url in state.urls.items()
        ]
        rows += read_schema_problems(settings)
    print_rows(
        rows,
        ["process", "status", "lag_events", "problems", "url"],
        as_json=json,
        empty="no stack runs here: start one with `crm up`",
        show=_show,
    )
    return 0 if rows and all(row["status"] == "ready" for row in rows) else 1


def read_readiness(name: str, url: str) -> dict[str, Any]:
    """Return the row of one process, from its /readyz; a process without an answer is `down`."""
    try:
        # The address is plain HTTP: loading certificates would take 20 ms for each process.
        answer = httpx2.get(f"{url}/readyz", timeout=REQUEST_SECONDS, verify=False).json()
    except httpx2.HTTPError as error:
        answer = {"status": "down", "problems": {"http": str(error)}}
    return {
        "process": name,
        "status": answer.get("status", "unknown"),
        "problems": answer.get("problems", {}),
        "url": url,
    }


def read_schema_problems(settings: DatabaseSettings) -> list[dict[str, Any]]:
    """Return one row if the database lacks a table or its protection, or is not written."""
    try:
        problems = asyncio.run(_find_problems(settings))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        problems = [f"the database cannot be checked: {str(error) or type(error).__name__}"]
    if not problems:
        return []
    details = {"schema": "; ".join(problems)}
    return [
        {"process": "database", "status": "unready", "lag_events": None, "problems": details,
         "url": ""}
    ]  # fmt: skip


def read_lags(settings: DatabaseSettings) -> dict[str, int]:
    """Return process → number of events that it has not applied; none without a database."""
    try:
        return asyncio.run(_count_lags(settings))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return {}


async def _find_problems(settings: DatabaseSettings) -> list[str]:
    conn = await connect(settings, "crm status", role=None)
    try:
        return [*await find_problems(conn), *await find_standstill_problems(conn)]
    finally:
        await conn.close()


async def _count_lags(settings: DatabaseSettings) -> dict[str, int]:
    conn = await connect(settings, "crm status", role=None)
    try:
        return await count_lags(conn)
    finally:
        await conn.close()


def _show(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{name}: {problem}" for name, problem in value.items())
    return str(value)
