"""`crm retention`: remove the rows that an organisation keeps for a limited time.

The timers process does so once a day. The days come from `retention` in an organisation's settings:
`sessions_days` (90), `engagement_days` (730), `consents_days` (1461), `dead_letters_days` (30) and
`reads_days` (1096), for the accounts of reads by API keys and consumers.
"""

import asyncio
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from cyclopts import App, Parameter

from services.retention import retention
from services.runtime.database import pooled
from services.runtime.database_settings import DatabaseSettings
from services.runtime.terminal import examples, print_rows

app = App(
    name="retention",
    help_epilogue=examples(
        "crm retention run --dry-run", "crm retention run", "crm retention run --org 0192f0c1-…"
    ),
    help_format="plaintext",
)


@app.command
def run(
    *,
    org: UUID | None = None,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    json: bool = False,
) -> None:
    """Apply the rules now. A second run on the same day removes nothing.

    Parameters
    ----------
    org
        The id of one organisation; all organisations if omitted.
    dry_run
        Only count the rows that would be removed.
    json
        Print a JSON list.
    """
    removed = asyncio.run(_run(org, dry_run=dry_run))
    column = "would_go" if dry_run else "gone"
    rows = [{"kind": kind, column: count} for kind, count in sorted(removed.items())]
    print_rows(rows, ["kind", column], as_json=json)


async def _run(org: UUID | None, *, dry_run: bool) -> dict[str, int]:
    async with pooled(DatabaseSettings(), "crm retention", size=2) as pool:
        return await retention.apply_rules(pool, datetime.now(UTC), org_id=org, dry_run=dry_run)
