"""`crm workflow`: add the standard workflows and templates to a property."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

from cyclopts import App

from events.record import Cause
from services.application.command_handler import transact
from services.application.unit_of_work import Scope
from services.application.workflows import SeedCounts, seed_property
from services.deciders.decider import Refused
from services.host import load_property
from services.runtime.database import connect
from services.runtime.settings import DatabaseSettings
from services.runtime.terminal import Failure, examples, print_json, print_rows

app = App(
    name="workflow",
    help_epilogue=examples("crm workflow seed PROPERTY_ID", "crm workflow seed PROPERTY_ID --json"),
    help_format="plaintext",
)


@app.command(name="seed")
def seed_(property_id: UUID, *, json: bool = False) -> None:
    """Add the standard workflows and templates that the property lacks, inactive."""
    counts = asyncio.run(_seed(property_id))
    summary = {"property_id": property_id, **counts._asdict()}
    if json:
        print_json(summary)
    else:
        print_rows([summary], ["property_id", "definitions", "templates"])


async def _seed(property_id: UUID) -> SeedCounts:
    conn = await connect(DatabaseSettings(), "crm workflow")
    try:
        host_property = await load_property(conn, property_id)
        scope = Scope(host_property.org_id, property_id, datetime.now(UTC), Cause("operator"))
        return (await transact(conn, scope, seed_property)).result
    except Refused as refused:
        raise Failure(refused.message) from None
    finally:
        await conn.close()
