"""`crm db`: bring the database's schema up to date, say where it is."""

import asyncio
import sys

from cyclopts import App

from services.runtime.database import connect
from services.runtime.migrations import current_heads, offline_sql
from services.runtime.migrations import migrate as run_migrations
from services.runtime.schema_check import differences, unguarded
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
    """Upgrade the schema to a revision, by default the newest; again changes nothing."""
    dsn = DatabaseSettings().dsn
    run_migrations(dsn, revision)
    note(f"the schema is at {', '.join(current_heads(dsn)) if revision == 'head' else revision}")


@app.command
def check(*, json: bool = False) -> None:
    """Compare the database with the plan and its guards; exit 1 where something is missing."""
    found = asyncio.run(_check())
    if json:
        print_json({"equal": not found, "differences": found})
    elif found:
        sys.stdout.write("".join(f"{line}\n" for line in found))
    else:
        note("the schema is the plan's, and guarded")
    if found:
        raise Failure(f"{len(found)} differences: crm db migrate brings a database up to date")


@app.command
def sql(*, since: str = "base") -> None:
    """Print the migrations from a revision on as SQL, for a host that applies it itself."""
    sys.stdout.write(offline_sql(since))


async def _check() -> list[str]:
    conn = await connect(DatabaseSettings(), "crm db check", role=None)
    try:
        return [*await differences(conn), *await unguarded(conn)]
    finally:
        await conn.close()


@app.command
def url() -> None:
    """Print the address of the database with its password."""
    sys.stdout.write(f"{DatabaseSettings().dsn}\n")
