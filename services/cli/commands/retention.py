"""`crm retention`: remove what an organisation keeps for a limited time only.

The timers do so once a day. Days are read from an organisation's settings, `retention`:
`sessions_days` (90), `engagement_days` (730), `consents_days` (1461), `dead_letters_days` (30).
"""

import asyncio
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from cyclopts import App, Parameter

from services.retention import retention
from services.runtime.database import pooled
from services.runtime.settings import DatabaseSettings
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
    """Apply the rules now; again on the same day finds nothing.

    Parameters
    ----------
    org
        One organisation only.
    dry_run
        Only count what would go.
    """
    done = asyncio.run(_run(org, dry_run=dry_run))
    verb = "would_go" if dry_run else "gone"
    rows = [{"kind": kind, verb: count} for kind, count in sorted(done.items())]
    print_rows(rows, ["kind", verb], as_json=json)


async def _run(org: UUID | None, *, dry_run: bool) -> dict[str, int]:
    async with pooled(DatabaseSettings(), "crm retention", size=2) as pool:
        return await retention.run(pool, datetime.now(UTC), org_id=org, dry_run=dry_run)
