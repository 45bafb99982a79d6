"""Inventory of stored texts: each is sealed, or it is written here why it needs no protection.

The columns come from the migrated database and the topics from their class, so that a new one fails
until somebody decides. Derived tables are decided where they are declared; the tables of the host
belong to the host.
"""

import asyncpg
import pytest

from events.bus.topics import Topics
from projections.catalog import HOST_TABLES, LIVE

SEALED = frozenset({
    "crm.commands.answer",
    "crm.dead_letters.content",
    "crm.intake_waiting.content",
    "crm.policy_failures.detail",
})  # fmt: skip
"""Encrypted with a data key: tests/services/application/test_sealed_tables.py."""

_CODE = "A key, a state or a name that the code of the core defines."
_LABEL = "What a producer calls its service, its record and its event: ids, as the contract says."
_HASH = "A keyed hash."
_CONTACT = "A keyed hash of a contact or of an id, as events/claims.py makes it."
_RANDOM = "Random bytes, or a hash of random bytes."
_SERVER = "Names a process or a topic of this installation."
_STAFF = "What an operator writes about the core, not about a person."
NOT_PERSONAL = {
    "crm.adoption.state": _CODE,
    "crm.checkpoints.projection_group": _CODE,
    "crm.checkpoints.version": _CODE,
    "crm.checkpoints.owner": _SERVER,
    "crm.claims.kind": _CODE,
    "crm.claims.value": _CONTACT,
    "crm.commands.digest": _HASH,
    "crm.contact_opt_outs.channel": _CODE,
    "crm.contact_opt_outs.contact": _CONTACT,
    "crm.contact_opt_outs.source": "The id of a message at the provider.",
    "crm.dead_letters.topic": _SERVER,
    "crm.dead_letters.ce_source": _LABEL,
    "crm.dead_letters.ce_id": _LABEL,
    "crm.dead_letters.event_type": _LABEL,
    "crm.dead_letters.reason": _CODE,
    "crm.dead_letters.status": _CODE,
    "crm.delivery_stops.stopped_by": _STAFF,
    "crm.delivery_stops.reason": _STAFF,
    "crm.delivery_stops.released_by": _STAFF,
    "crm.delivery_stops.release_reason": _STAFF,
    "crm.erased_subjects.subject_type": _CODE,
    "crm.intake_outcomes.topic": _SERVER,
    "crm.intake_outcomes.ce_source": _LABEL,
    "crm.intake_outcomes.ce_id": _LABEL,
    "crm.intake_outcomes.event_type": _LABEL,
    "crm.intake_outcomes.status": _CODE,
    "crm.intake_outcomes.reason": _CODE,
    "crm.intake_waiting.subject_type": _CODE,
    "crm.intake_waiting.topic": _SERVER,
    "crm.log.relay_name": _SERVER,
    "crm.operator_actions.action": _CODE,
    "crm.operator_actions.reason": _STAFF,
    "crm.operator_actions.target": "Ids and names of things of the core.",
    "crm.operator_requests.kind": _CODE,
    "crm.operator_requests.parameters": "Ids and names of things of the core.",
    "crm.operator_requests.status": _CODE,
    "crm.operator_requests.worker": _SERVER,
    "crm.operator_requests.stage": _CODE,
    "crm.operator_requests.result": "Numbers, names, and rows whose personal values are hidden.",
    "crm.operator_requests.error": "A text of events/log/error_text.py, or of the core.",
    "crm.parked.projection_group": _CODE,
    "crm.parked.reason": _CODE,
    "crm.parked.detail": "A text of events/log/error_text.py, which contains no values.",
    "crm.payload_reads.reader": "The id of an API key or of an account, or the name of a consumer.",
    "crm.pipeline_samples.owners": _SERVER,
    "crm.phone_patterns.calling_code": "Rules of telephone numbers of countries.",
    "crm.phone_patterns.pattern": "Rules of telephone numbers of countries.",
    "crm.policy_failures.policy": _CODE,
    "crm.policy_failures.reason": _CODE,
    "crm.projections.name": _CODE,
    "crm.projector_leases.owner": _SERVER,
    "crm.rate_limits.key": _HASH,
    "crm.relay_partitions.topic": _SERVER,
    "crm.secret_keys.purpose": _CODE,
    "crm.secret_keys.key": _RANDOM,
    "crm.staged_changes.entity_type": _CODE,
    "crm.staged_changes.event_type": _CODE,
    "crm.staged_changes.payload": "Values of the host's row; deleted by the append, which seals.",
    "crm.staged_changes.actor": "The core, or an id; the intake hashes every other name.",
    "crm.staged_changes.origin": _CODE,
    "crm.staged_changes.problem": "Names of fields and errors, without values.",
    "crm.stream_tickets.ticket_hash": _RANDOM,
    "crm.timers.kind": _CODE,
    "crm.timers.error": "A text of events/log/error_text.py, which contains no values.",
    "crm.visitor_places.visitor": _HASH,
    "crm.visitor_places.network": _HASH,
    "crm_keys.data_keys.wrapped": "A key, encrypted with the master key.",
    "crm_keys.data_keys.master_key": "The start of the hash of a random key.",
    "crm_keys.secret_keys.purpose": _CODE,
    "crm_keys.secret_keys.wrapped": "A key, encrypted with the master key.",
    "crm_keys.secret_keys.master_key": "The start of the hash of a random key.",
    "public.crm_events.entity_type": _CODE,
    "public.crm_events.event_type": _CODE,
    "public.crm_events.payload": "Its personal fields are encrypted by the codec.",
    "public.crm_events.actor": "The core, or an id; the intake hashes every other name.",
    "public.crm_events.origin": _CODE,
    "public.crm_events.digest": "A hash; keyed where the content is personal.",
    "public.crm_events.trace_context": "Ids: random ones, or those that a client chose.",
    "public.alembic_version.version_num": _CODE,
}
TOPICS = {
    "events": "Its payloads are those of the log.",
    "intake": "Written by producers; the broker keeps it for a limited time.",
    "dead_letters": "The sealed content of the table's rows.",
    "outcomes": "Ids and codes only.",
}

_TEXTS = """
SELECT n.nspname || '.' || c.relname AS "table", a.attname AS "column"
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  AND n.nspname NOT LIKE 'pg_temp%' AND c.relkind IN ('r', 'p', 'm') AND a.attnum > 0
  AND NOT a.attisdropped AND a.atttypid <> ALL ($1::regtype[])
"""
VALUES_WITHOUT_TEXT = (
    "uuid", "uuid[]", "bool", "int2", "int4", "int8", "float8", "numeric", "timestamptz", "date",
    "time", "interval",
)  # fmt: skip


async def find_texts(pool: asyncpg.Pool) -> set[str]:
    """Return schema.table.column of each column that can hold text, without derived tables."""
    derived = {table.live_name for table in LIVE.tables}
    hosts = {f"public.{table.name}" for table in HOST_TABLES}
    rows = await pool.fetch(_TEXTS, list(VALUES_WITHOUT_TEXT))
    return {
        f"{row['table']}.{row['column']}" for row in rows if row["table"] not in derived | hosts
    }


async def test_every_stored_text_is_sealed_or_has_a_reason_why_not(
    owner_pool: asyncpg.Pool,
) -> None:
    texts = await find_texts(owner_pool)
    assert texts == SEALED | NOT_PERSONAL.keys()


async def test_a_new_column_is_found(owner_pool: asyncpg.Pool) -> None:
    before = await find_texts(owner_pool)
    await owner_pool.execute(
        "ALTER TABLE crm.timers ADD note varchar(9), ADD notes text[], ADD more jsonb, "
        "ADD at inet; "
        "CREATE TABLE crm.thing (id uuid, picture bytea)"
    )
    added = await find_texts(owner_pool) - before
    assert added == {
        "crm.timers.note", "crm.timers.notes", "crm.timers.more", "crm.timers.at",
        "crm.thing.picture",
    }  # fmt: skip


def test_every_topic_is_decided() -> None:
    assert set(Topics._fields) == TOPICS.keys()


@pytest.mark.parametrize("reason", sorted({*NOT_PERSONAL.values(), *TOPICS.values()}))
def test_a_reason_is_a_sentence(reason: str) -> None:
    assert reason.endswith(".")
