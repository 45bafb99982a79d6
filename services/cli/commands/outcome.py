"""`crm outcome`: show what became of the records that producers sent to the intake."""

import asyncio
from typing import Any, Literal
from uuid import UUID

from cyclopts import App

from services.application.intake_outcomes import OutcomeFilter, find_outcomes
from services.runtime.database import pooled
from services.runtime.database_settings import DatabaseSettings
from services.runtime.terminal import examples, print_rows

COLUMNS = ["decided_at", "status", "reason", "duplicate", "type", "source", "id", "lead_id"]

app = App(
    name="outcome",
    help_epilogue=examples(
        "crm outcome list --source /website --id form-4711",
        "crm outcome list --status refused --json",
    ),
    help_format="plaintext",
)


@app.command(name="list")
def list_(
    *,
    source: str | None = None,
    id_: str | None = None,
    property_: UUID | None = None,
    status: Literal["accepted", "refused", "waiting"] | None = None,
    limit: int = 100,
    json: bool = False,
) -> None:
    """List outcomes, newest first.

    Parameters
    ----------
    source
        Only records with this CloudEvents source.
    id_
        Only records with this CloudEvents id.
    property_
        Only records of this property.
    status
        Only records with this status.
    limit
        The maximum number of rows.
    json
        Print a JSON list.
    """
    chosen = OutcomeFilter(None, property_, source, id_, status)
    rows = asyncio.run(_find(chosen, limit))
    print_rows(rows, COLUMNS, as_json=json, empty="no outcomes")


async def _find(chosen: OutcomeFilter, limit: int) -> list[dict[str, Any]]:
    async with pooled(DatabaseSettings(), "crm outcome", size=1) as pool:
        return await find_outcomes(pool, chosen, limit)
