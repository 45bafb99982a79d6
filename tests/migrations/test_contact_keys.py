"""The migration that derives the existing claims of contact details and of other ids again."""

import asyncio
import hashlib
from uuid import UUID, uuid4

import asyncpg
import orjson
from alembic import command

from services.runtime.migrations import alembic_config, migrate

BEFORE = "0019"
CLAIMS = [
    ("lead.phone", "phone", "+442079460018", "+442079460018"),
    ("lead.phone", "phone", "+12125550100", "+12125550100"),
    ("lead.phone", "phone", "+19876543210", None),
    ("lead.phone", "phone", "+11234567890", None),
    ("lead.email", "email", "ada@example.com", "ada@example.com"),
    ("lead.email", "email", "νίκοσ@café.example", "νίκοσ@café.example"),
    ("lead.email", "email", "undefined@example.com", None),
    ("lead.email", "email", "ada@none.com", None),
    ("lead.external_id", "external_id", "00Q5e00001AbCdE", "00Q5e00001AbCdE"),
]
"""Kind, field, the value in the event, and the value that is claimed afterwards."""


def claim(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()[:40]


async def test_existing_claims_are_derived_again(empty_url: str) -> None:
    """A claim that a merge transferred keeps the value of its origin."""
    await asyncio.to_thread(command.upgrade, alembic_config(empty_url), BEFORE)
    conn = await asyncpg.connect(empty_url)
    org, property_id, winner = uuid4(), uuid4(), uuid4()
    await conn.execute("INSERT INTO organizations (id, name) VALUES ($1, 'Acme')", org)
    await conn.execute(
        "INSERT INTO properties (id, org_id, name) VALUES ($1, $2, 'Elm')", property_id, org
    )
    origins: dict[UUID, tuple[str, str | None]] = {}
    for number, (kind, field, value, expected) in enumerate(CLAIMS):
        lead = uuid4()
        origins[lead] = (kind, expected)
        for version, payload in enumerate([{field: "x"}, {field: value}, {"notes": "n"}], start=1):
            await conn.execute(
                "INSERT INTO crm_events (id, entity_type, entity_id, version, shard, event_type, "
                "schema_version, org_id, property_id, lead_id, occurred_at, payload, digest, "
                "actor, origin) VALUES ($1, 'lead', $2, $3, 0, 'lead.updated', 1, $4, $5, $2, "
                "now(), $6, '', 'test', 'live')",
                uuid4(), lead, version, org, property_id, orjson.dumps(payload).decode(),
            )  # fmt: skip
        is_merged = number % 2 == 1
        await conn.execute(
            "INSERT INTO crm.claims (kind, scope, value, owner, via) VALUES ($1, $2, $3, $4, $5)",
            kind, property_id, claim(value.casefold()), winner if is_merged else lead,
            [lead] if is_merged else [],
        )  # fmt: skip
    await asyncio.to_thread(migrate, empty_url)
    rows = await conn.fetch("SELECT kind, value, coalesce(via[1], owner) AS origin FROM crm.claims")
    assert {row["origin"]: (row["kind"], row["value"]) for row in rows} == {
        lead: (kind, claim(expected)) for lead, (kind, expected) in origins.items() if expected
    }
    await asyncio.to_thread(command.downgrade, alembic_config(empty_url), BEFORE)
    await conn.close()
