"""`crm property`: create and list organisations and properties, for development."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from cyclopts import App, Parameter
from uuid_utils.compat import uuid7

from events.record import Cause
from services.application.command_handler import transact
from services.application.scope import Scope
from services.application.workflows import seed_property
from services.deciders.decider import Refused
from services.deciders.local_time import load_zone
from services.runtime.database import connect
from services.runtime.database_settings import DatabaseSettings
from services.runtime.terminal import Failure, examples, print_json, print_rows

app = App(
    name="property",
    help_epilogue=examples(
        'crm property create --name "Maple House" --timezone America/New_York',
        'crm property create --name "Oak House" --timezone America/Chicago --org ORG_ID',
        "crm property list --json",
    ),
    help_format="plaintext",
)


@app.command
def create(
    *,
    name: Annotated[str, Parameter(help="The name of the property.")],
    timezone: Annotated[str, Parameter(help="Its IANA time zone, such as America/New_York.")],
    org: Annotated[
        UUID | None, Parameter(help="The id of its organisation; by default a new one is created.")
    ] = None,
    org_name: Annotated[str, Parameter(help="The name of a new organisation.")] = "Organisation",
    json: bool = False,
) -> None:
    """Create a property, and an organisation unless one is given; print their ids.

    The property gets the standard workflows and templates, which are inactive until reviewed.
    """
    try:
        load_zone(timezone)
    except Refused as refused:
        raise Failure(refused.message) from None
    created = asyncio.run(_create(name, timezone, org, org_name))
    if json:
        print_json(created)
    else:
        print_rows([created], ["property_id", "org_id", "name", "timezone"])


@app.command(name="list")
def list_(*, org: UUID | None = None, json: bool = False) -> None:
    """List the properties of one organisation, or of all."""
    print_rows(
        asyncio.run(_list(org)), ["property_id", "org_id", "name", "timezone"], as_json=json,
        empty="there is no property: create one with `crm property create`",
    )  # fmt: skip


async def _create(name: str, timezone: str, org: UUID | None, org_name: str) -> dict[str, Any]:
    conn = await connect(DatabaseSettings(), "crm property", role=None)
    try:
        async with conn.transaction():
            if org is None:
                org = uuid7()
                await conn.execute(
                    "INSERT INTO organizations (id, name) VALUES ($1, $2)", org, org_name
                )
            elif not await conn.fetchval("SELECT true FROM organizations WHERE id = $1", org):
                raise Failure(f"there is no organisation {org}")
            property_id = uuid7()
            await conn.execute(
                "INSERT INTO properties (id, org_id, name, settings) VALUES ($1, $2, $3, $4)",
                property_id,
                org,
                name,
                {"timezone": timezone},
            )
            await transact(
                conn, Scope(org, property_id, datetime.now(UTC), Cause("operator")), seed_property
            )
    finally:
        await conn.close()
    return {"property_id": property_id, "org_id": org, "name": name, "timezone": timezone}


async def _list(org: UUID | None) -> list[dict[str, Any]]:
    conn = await connect(DatabaseSettings(), "crm property", role=None)
    try:
        rows = await conn.fetch(
            "SELECT id AS property_id, org_id, name, settings ->> 'timezone' AS timezone "
            "FROM properties WHERE $1::uuid IS NULL OR org_id = $1 ORDER BY created_at, id",
            org,
        )
    finally:
        await conn.close()
    return [dict(row) for row in rows]
