"""`crm db`: migrate the database, check its schema, print its address."""

import asyncio
import sys

from cyclopts import App

from services.runtime.database import connect
from services.runtime.migrations import current_heads, offline_sql
from services.runtime.migrations import migrate as run_migrations
from services.runtime.plan_schema import find_plan_differences
from services.runtime.schema_check import find_problems
from services.runtime.settings import DatabaseSettings
from services.runtime.terminal import Failure, examples, note, print_json

app = App(
    name="db",
    help_epilogue=examples(
        "crm db migrate",
        "crm db check",
        "crm db sql > schema.sql",
        'psql "$(crm db url)"',
    ),
    help_format="plaintext",
)


@app.command
def migrate(*, revision: str = "head") -> None:
    """Upgrade the schema to a revision, by default the newest. Repeating it changes nothing.

    Parameters
    ----------
    revision
        A revision such as `0012`, or `head` for the newest.
    """
    dsn = DatabaseSettings().dsn
    run_migrations(dsn, revision)
    note(f"the schema is at {', '.join(current_heads(dsn)) if revision == 'head' else revision}")


@app.command
def check(*, json: bool = False) -> None:
    """Check that every table exists as the plan and the catalog define it, and is protected.

    Prints one line for each problem; the exit code is 1 if there is one.

    Parameters
    ----------
    json
        Print one JSON document.
    """
    problems = asyncio.run(_check())
    if json:
        print_json({"equal": not problems, "differences": problems})
    elif problems:
        sys.stdout.write("".join(f"{line}\n" for line in problems))
    else:
        note("the schema is complete, and every table is protected")
    if problems:
        raise Failure(f"the schema has {len(problems)} problems: `crm db migrate` may solve them")


@app.command
def sql(*, since: str = "base") -> None:
    """Print the migrations as one SQL script, for a host that applies SQL itself.

    Parameters
    ----------
    since
        The revision that the database has; `base` is an empty database.
    """
    sys.stdout.write(offline_sql(since))


@app.command
def url() -> None:
    """Print the address of the database, with its password."""
    sys.stdout.write(f"{DatabaseSettings().dsn}\n")


async def _check() -> list[str]:
    conn = await connect(DatabaseSettings(), "crm db check", role=None)
    try:
        return [*await find_plan_differences(conn), *await find_problems(conn)]
    finally:
        await conn.close()
