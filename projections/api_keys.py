"""`api_keys`: the API keys of each organisation, without their hashes.

The API does not look here whether a key is valid: it asks the log, so a revocation counts at once.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import Column, Index, Select, Table, Text, select
from sqlalchemy.dialects.postgresql import ARRAY

from events.api_keys import ApiKeyIssued, ApiKeyRevoked
from events.record import RecordedEvent
from projections.columns import INSTANT, key, org
from projections.engine.derived_table import METADATA, DerivedTable
from projections.engine.projection import Projection, Tables

TABLE = Table(
    "api_keys",
    METADATA,
    key(),
    org(),
    Column("label", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("property_ids", ARRAY(Text), nullable=False),
    Column("expires_at", INSTANT),
    Column("issued_at", INSTANT, nullable=False),
    Column("issued_by", Text),
    Column("issue_reason", Text, nullable=False),
    Column("revoked_at", INSTANT),
    Column("revoked_by", Text),
    Column("revoke_reason", Text),
    Index("idx_api_keys_org", "org_id"),
)
projection = Projection("api_keys", version=1, table=DerivedTable(TABLE, keyed_by=("api_key_id",)))


@projection.on(ApiKeyIssued)
def add_key(tables: Tables, recorded: RecordedEvent, event: ApiKeyIssued) -> None:
    if tables.rows.get(event.api_key_id) is not None:
        return
    tables.rows.insert(
        event.api_key_id,
        {
            "id": event.api_key_id,
            "org_id": recorded.org_id,
            "label": event.label,
            "scopes": list(event.scopes),
            "property_ids": [str(property_id) for property_id in event.property_ids],
            "expires_at": event.expires_at,
            "issued_at": recorded.occurred_at,
            "issued_by": recorded.actor,
            "issue_reason": event.reason,
            "revoked_at": None,
            "revoked_by": None,
            "revoke_reason": None,
        },
    )


@projection.on(ApiKeyRevoked)
def mark_revoked(tables: Tables, recorded: RecordedEvent, event: ApiKeyRevoked) -> None:
    row = tables.rows.get(event.api_key_id)
    if row is None or row["revoked_at"] is not None:
        return
    tables.rows.update(
        event.api_key_id,
        revoked_at=recorded.occurred_at,
        revoked_by=recorded.actor,
        revoke_reason=event.reason,
    )


def of_organization(org_id: UUID) -> "Select[Any]":
    """Select all keys of an organisation, newest first."""
    return (
        select(TABLE)
        .where(TABLE.c.org_id == org_id)
        .order_by(TABLE.c.issued_at.desc(), TABLE.c.id.desc())
    )
