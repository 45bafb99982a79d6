"""`crm db`: migrate the database, check its schema, print its address."""

import asyncio
import sys

from cyclopts import App

from services.application.standstill_problems import find_standstill_problems
from services.runtime.client_writes import SchemaFindings
from services.runtime.database import connect
from services.runtime.database_settings import DatabaseSettings
from services.runtime.host_access import HostAccess
from services.runtime.host_check import find_host_findings
from services.runtime.key_store import create_key_store
from services.runtime.migrations import (
    ENCRYPTED_SINCE,
    find_revision,
    has_encrypted_values,
    is_older,
    offline_sql,
    read_revision,
)
from services.runtime.migrations import downgrade as run_downgrade
from services.runtime.migrations import migrate as run_migrations
from services.runtime.plan_schema import find_plan_differences
from services.runtime.schema_check import find_problems
from services.runtime.terminal import Failure, examples, note, print_json

app = App(
    name="db",
    help_epilogue=examples(
        "crm db migrate",
        "crm db migrate --host-access policies",
        "crm db downgrade 0017",
        "crm db check",
        "crm db sql > schema.sql",
        'psql "$(crm db url)"',
    ),
    help_format="plaintext",
)


@app.command
def migrate(*, revision: str = "head", host_access: HostAccess | None = None) -> None:
    """Upgrade the schema to a revision, by default the newest. Repeating it changes nothing.

    A revision that is older than the schema is refused: nothing is changed then. With CRM_KEYS_URL,
    the schema of the key store is created in that database.
    Looks first at who owns and who uses the tables that the host already has. Refuses if a role of
    the host would see no rows any more and nothing was chosen.

    Parameters
    ----------
    revision
        A revision such as `0012`, or `head` for the newest.
    host_access
        How such roles keep their access: `policies` creates a policy for each of them, `bypass`
        gives them BYPASSRLS, `unforced` does not force row level security on the host's tables.
    """
    target = find_revision(revision)
    current = asyncio.run(_read_revision())
    if current is not None and is_older(target, current):
        raise Failure(
            f"the schema is at {current}, which is newer than {target}: nothing was changed, "
            "because migrate only upgrades"
        )
    settings = DatabaseSettings()
    run_migrations((settings.direct or settings).dsn, target, host_access=host_access)
    asyncio.run(create_key_store(settings))
    note(f"the schema is at {asyncio.run(_read_revision())}")


@app.command
def downgrade(revision: str) -> None:
    """Go back to an older revision of the schema. What newer revisions store is lost.

    Stop the processes first, and start the older build afterwards. Refused if the log has encrypted
    values that older builds cannot read.

    Parameters
    ----------
    revision
        A revision such as `0017`.
    """
    target = find_revision(revision)
    current = asyncio.run(_read_revision())
    if current is None or not is_older(target, current):
        raise Failure(f"the schema is at {current}, which is not newer than {target}")
    if target < ENCRYPTED_SINCE <= current and asyncio.run(_has_encrypted_values()):
        raise Failure(
            f"the database has encrypted values, which no build before {ENCRYPTED_SINCE} reads: "
            "nothing was changed; restore a backup from before the upgrade instead"
        )
    settings = DatabaseSettings()
    run_downgrade((settings.direct or settings).dsn, target)
    note(f"the schema is at {asyncio.run(_read_revision())}")


@app.command
def check(*, json: bool = False) -> None:
    """Check that every table exists as the plan and the catalog define it, and is protected.

    Prints one line for each problem and warning. The exit code is 1 if there is a problem. A
    warning is a decision of the host that weakens a protection.

    Parameters
    ----------
    json
        Print one JSON document.
    """
    found = asyncio.run(_check())
    problems, warnings = found.problems, found.warnings
    if json:
        print_json({"equal": not problems, "differences": problems, "warnings": warnings})
    else:
        lines = [*problems, *(f"warning: {warning}" for warning in warnings)]
        sys.stdout.write("".join(f"{line}\n" for line in lines))
    if not (json or problems):
        note("the schema is complete, and every table is protected")
    if problems:
        raise Failure(f"the database has {len(problems)} problems: `crm db migrate` may solve them")


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


async def _read_revision() -> str | None:
    conn = await connect(DatabaseSettings(), "crm db migrate", role=None)
    try:
        return await read_revision(conn)
    finally:
        await conn.close()


async def _has_encrypted_values() -> bool:
    conn = await connect(DatabaseSettings(), "crm db downgrade", role=None)
    try:
        return await has_encrypted_values(conn)
    finally:
        await conn.close()


async def _check() -> SchemaFindings:
    conn = await connect(DatabaseSettings(), "crm db check", role=None)
    try:
        tables = [*await find_plan_differences(conn), *await find_problems(conn)]
        host = await find_host_findings(conn)
        problems = [*tables, *host.problems, *await find_standstill_problems(conn)]
        return SchemaFindings(problems, host.warnings)
    finally:
        await conn.close()
