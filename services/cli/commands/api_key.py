"""`crm api-key`: issue, list and revoke the API keys of services, and show what they read."""

import asyncio
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import asyncpg
from cyclopts import App, Parameter
from uuid_utils.compat import uuid7

from events.api_keys import ApiScope
from events.record import Cause
from services.application import api_keys, clear_events
from services.application.command_handler import transact
from services.application.scope import Scope
from services.application.unit_of_work import UnitOfWork
from services.deciders.api_keys import IssueApiKey, RevokeApiKey
from services.deciders.decider import Refused
from services.runtime.database import connect
from services.runtime.database_settings import DatabaseSettings
from services.runtime.terminal import Failure, examples, note, print_json, print_rows

COLUMNS = [
    "id", "label", "state", "scopes", "property_ids", "expires_at", "issued_at", "issued_by",
    "revoked_at",
]  # fmt: skip
READS = ["read_at", "reader", "events", "event_ids"]

app = App(
    name="api-key",
    help_epilogue=examples(
        "crm api-key create ORG_ID --label 'data warehouse' --reason 'reports for the owners'",
        "crm api-key create ORG_ID --label consultant --property PROPERTY_ID --expires-in-days 90 "
        "--reason 'analysis of lost leads'",
        "crm api-key list ORG_ID",
        "crm api-key revoke ORG_ID KEY_ID --reason 'the key was found in a repository'",
        "crm api-key reads ORG_ID --key KEY_ID",
        "crm api-key reads ORG_ID --lead LEAD_ID --json",
    ),
    help_format="plaintext",
)


@app.command
def create(
    org_id: UUID,
    *,
    label: Annotated[str, Parameter(help="The name of the service.")],
    reason: Annotated[str, Parameter(help="Why the service needs the key.")],
    scope: Annotated[
        Sequence[ApiScope], Parameter(help="A right of the key; repeat it for more.")
    ] = (ApiScope.READ_EVENTS,),
    property_: Annotated[
        Sequence[UUID],
        Parameter(
            name="--property",
            help="A property that the key opens; repeat it. Default: all of them.",
        ),
    ] = (),
    expires_in_days: Annotated[
        float | None, Parameter(help="Days for which the key is valid; without it, for ever.")
    ] = None,
    json: bool = False,
) -> None:
    """Issue a key of an organisation. It is printed only once."""
    now, key_id = datetime.now(UTC), uuid7()
    if expires_in_days is not None and not 0 < expires_in_days <= 36_500:
        raise Failure(f"--expires-in-days {expires_in_days:g}: give more than 0, at most 36500")
    key = api_keys.make_key(key_id, secrets.token_bytes(api_keys.SECRET_BYTES))
    expires_at = None if expires_in_days is None else now + timedelta(days=expires_in_days)
    command = IssueApiKey(
        key_id, api_keys.hash_key(key), label, tuple(scope), reason, now, tuple(property_),
        expires_at,
    )  # fmt: skip

    async def work(uow: UnitOfWork) -> None:
        await api_keys.require_organization(uow.conn, org_id)
        await api_keys.require_properties(uow.conn, org_id, command.property_ids)
        await uow.execute(command)

    asyncio.run(_write(org_id, now, work))
    created = {"key": key, "id": key_id, "expires_at": expires_at}
    if json:
        print_json(created)
    else:
        note("the key is shown only now: only its hash is stored")
        print_rows([created], ["key", "id", "expires_at"])


@app.command
def revoke(
    org_id: UUID,
    key_id: UUID,
    *,
    reason: Annotated[str, Parameter(help="Why the key is revoked.")],
) -> None:
    """Revoke a key; the API refuses it from now on."""

    async def work(uow: UnitOfWork) -> None:
        await uow.execute(RevokeApiKey(key_id, reason))

    asyncio.run(_write(org_id, datetime.now(UTC), work))
    note(f"API key {key_id} is revoked")


@app.command(name="list")
def list_(org_id: UUID, *, json: bool = False) -> None:
    """List the keys of an organisation, newest first, also those that are not valid any more."""
    rows = asyncio.run(_read(api_keys.list_keys, org_id, datetime.now(UTC)))
    print_rows(rows, COLUMNS, as_json=json, empty="no API key: issue one with `crm api-key create`")


@app.command
def reads(
    org_id: UUID,
    *,
    key: UUID | None = None,
    lead: UUID | None = None,
    limit: int = 100,
    json: bool = False,
) -> None:
    """List which personal values services have read, newest first.

    Parameters
    ----------
    org_id
        The organisation.
    key
        Only reads with this API key.
    lead
        Only reads of events about this lead.
    limit
        The maximum number of reads.
    json
        Print a JSON list.
    """
    reader = None if key is None else api_keys.reader_name(key)
    rows = asyncio.run(_read(clear_events.list_reads, org_id, reader, lead, limit))
    print_rows(rows, READS, as_json=json, empty="no reads")


async def _write(org_id: UUID, now: datetime, work: Any) -> None:
    conn = await connect(DatabaseSettings(), "crm api-key")
    try:
        await transact(conn, Scope.of_organization(org_id, now, Cause("operator")), work)
    except Refused as refused:
        raise Failure(refused.message) from None
    finally:
        await conn.close()


async def _read(query: Any, *arguments: object) -> list[dict[str, Any]]:
    conn: asyncpg.Connection = await connect(DatabaseSettings(), "crm api-key")
    try:
        return [dict(row) for row in await query(conn, *arguments)]
    finally:
        await conn.close()
