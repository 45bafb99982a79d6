"""Visitor ids: only their keyed hash is stored and published, and it shows no session to others."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest
from alembic import command

from events import codec
from events.log import read
from events.log.connection import Connection
from events.log.secret_keys import load_secret_keys, rotate_secret_key
from events.sessions import SessionStarted
from events.visitor_ids import hash_principal, hash_visitor_id
from projections import sessions
from services.api.auth.row_security import assume_role
from services.intake.admission import Admission
from services.intake.settings import IntakeSettings
from services.runtime.clock import Clock
from services.runtime.database import open_engine
from services.runtime.migrations import alembic_config, migrate
from services.runtime.settings import Settings
from tests.services.api.site import CHAT, CHAT_STREAM, EchoResponder, Site, open_api, open_site
from tests.services.api.tour_requests import at, book, hold, slots_of_day
from tests.services.intake.producer_records import binary_record
from tests.world import VISITOR, World, make_world

SECRET = "v_quokka_7"
"""The id of a visitor, which must be nowhere in the database."""


@pytest.fixture
async def site(settings: Settings, pool: asyncpg.Pool) -> AsyncIterator[Site]:
    async with open_site(settings, pool) as own:
        yield own


async def find_text(pool: asyncpg.Pool, text: str) -> list[str]:
    """Return the columns of all tables of the database that contain a text."""
    found = []
    async with pool.acquire() as conn:
        columns = await conn.fetch(
            "SELECT table_schema AS s, table_name AS t, column_name AS c "
            "FROM information_schema.columns JOIN information_schema.tables "
            "USING (table_schema, table_name) WHERE table_type = 'BASE TABLE' "
            "AND table_schema NOT IN ('pg_catalog', 'information_schema')"
        )
        for schema, table, column in columns:
            query = f'SELECT EXISTS (SELECT FROM "{schema}"."{table}" WHERE '
            condition = f'position($1 IN "{column}"::text) > 0)'
            if await conn.fetchval(query + condition, text):
                found.append(f"{schema}.{table}.{column}")
    return found


async def test_a_visitor_id_is_stored_nowhere(
    site: Site, owner_pool: asyncpg.Pool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Chat, contact, hold and booking of one visitor; then the whole database is searched."""
    turn = await site.send_chat("hello", visitor=SECRET, leadInfo={"email": "ada@example.com"})
    slots = await slots_of_day(site)
    await hold(site, slots["10:00"]["id"], SECRET)
    await book(site, at("11:00"), visitor=SECRET)
    response = await site.client.get(
        CHAT, params={"sessionId": turn["sessionId"]}, headers=site.widget_headers(SECRET)
    )
    await site.project()
    assert await site.world.count("widget_sessions") > 0, response.text
    assert await find_text(owner_pool, SECRET) == []
    assert await find_text(owner_pool, turn["sessionId"]) != []  # the search finds what is there
    output = capsys.readouterr()
    assert SECRET not in output.out + output.err


async def test_the_same_visitor_has_another_hash_in_each_property_and_installation(
    pool: asyncpg.Pool,
) -> None:
    async with pool.acquire() as conn:
        before = (await load_secret_keys(conn, "visitor_id"))[0].key
        after = (await rotate_secret_key(conn, "visitor_id", timedelta(0))).key
    properties = uuid4(), uuid4()
    hashes = {hash_visitor_id(key, p, "v_1") for key in (before, after) for p in properties}
    assert len(hashes) == 4
    assert hash_visitor_id(before, properties[0], "v_1") == hash_visitor_id(
        before, properties[0], "v_1"
    )


async def test_a_visitor_is_recognised_by_its_own_id_and_not_by_the_hash(site: Site) -> None:
    turn = await site.send_chat("hello", visitor=SECRET)
    await site.project()
    async with site.world.pool.acquire() as conn:
        [stored] = await conn.fetch("SELECT visitor_id FROM widget_sessions")
    for visitor, status in ((SECRET, 200), (stored["visitor_id"], 404), ("v_other", 404)):
        response = await site.client.get(
            CHAT, params={"sessionId": turn["sessionId"]}, headers=site.widget_headers(visitor)
        )
        assert response.status_code == status, visitor


@pytest.mark.parametrize("version", [None, "1", "2"])
async def test_a_producer_s_visitor_id_is_hashed_like_that_of_a_browser(
    site: Site, owner_pool: asyncpg.Pool, version: str | None
) -> None:
    session = uuid4()
    data = {"session_id": str(session), "visitor_id": f" {SECRET} ", "user_agent": "a"}
    record = binary_record(
        "session.started", data, site.property_id,
        actor=f"visitor:{SECRET}", **({"schemaversion": version} if version else {}),
    )  # fmt: skip
    admission = Admission(site.world.pool, IntakeSettings(), Clock())
    for status in ("accepted", "duplicate"):
        [outcome] = await admission.admit([record])
        assert outcome.status.value == status, outcome
    await site.project()
    assert await find_text(owner_pool, SECRET) == []
    response = await site.client.get(
        CHAT, params={"sessionId": str(session)}, headers=site.widget_headers(SECRET)
    )
    assert response.status_code == 200


@pytest.mark.parametrize("visitor_id", [7, ["v_1"], {"id": "v_1"}, "x" * 321])
async def test_a_producer_s_visitor_id_that_is_no_text_is_rejected(
    pool: asyncpg.Pool, visitor_id: Any
) -> None:
    world = await make_world(pool)
    data = {"session_id": str(uuid4()), "visitor_id": visitor_id}
    [outcome] = await Admission(pool, IntakeSettings(), Clock()).admit(
        [binary_record("session.started", data, world.properties[0])]
    )
    assert (outcome.status.value, outcome.reason) == ("dead", "invalid")


def test_a_clear_visitor_id_is_no_field_of_the_event() -> None:
    event = codec.decode("session.started", 1, {"session_id": str(uuid4()), "visitor_id": SECRET})
    assert isinstance(event, SessionStarted)
    assert SECRET not in event.model_dump_json()
    with pytest.raises(ValueError, match="visitor_hash"):
        SessionStarted(session_id=uuid4(), visitor_hash=SECRET)


async def read_as_visitor(settings: Settings, claims: dict[str, str | None]) -> set[UUID]:
    """Return the sessions that row level security shows to a visitor with these claims."""
    engine = open_engine(settings, "test")
    async with engine.begin() as conn:
        await conn.exec_driver_sql(assume_role({"role": "anon", **claims}))
        rows = await conn.execute(sessions.TABLE.select())
        seen = {row.id for row in rows}
    await engine.dispose()
    return seen


async def test_row_level_security_shows_an_anonymous_session_to_its_proven_owner_only(
    settings: Settings, pool: asyncpg.Pool
) -> None:
    world = await make_world(pool)
    anonymous, known = uuid4(), uuid4()
    await world.append(
        world.new(SessionStarted(session_id=anonymous)),
        world.new(SessionStarted(session_id=known, visitor_hash=VISITOR)),
    )
    await world.project()
    here: dict[str, str | None] = {"property_id": str(world.properties[0])}
    for claims, seen in (
        ({}, set()),
        ({"visitor_id": None, "session_id": None}, set()),
        ({"visitor_id": ""}, set()),
        ({"visitor_id": "0c" * 16}, set()),
        ({"visitor_id": VISITOR}, {known}),
        ({"session_id": str(anonymous)}, {anonymous}),
        ({"session_id": "no uuid"}, set()),
        ({"visitor_id": VISITOR, "session_id": str(anonymous)}, {anonymous, known}),
        ({"session_id": str(anonymous), "property_id": str(uuid4())}, set()),
    ):
        assert await read_as_visitor(settings, {**here, **claims}) == seen, claims


async def test_an_anonymous_visitor_reads_its_session_with_its_token(site: Site) -> None:
    first = (await site.client.post(
        CHAT, json={"message": "hi"}, headers={"X-API-Key": site.key}
    )).json()  # fmt: skip
    await site.project()
    for path in (CHAT, CHAT_STREAM):
        for token, status in ((first["sessionToken"], 200), ("nonsense", 404)):
            response = await site.client.get(
                path, params={"sessionId": first["sessionId"]},
                headers={"X-API-Key": site.key, "X-Session-Token": token},
            )  # fmt: skip
            assert response.status_code == status, path


def downgrade(database_url: str) -> None:
    """Go back to the schema in which visitor ids were stored as they are."""
    command.downgrade(alembic_config(database_url), "0028")


async def insert_version_1(conn: Connection, world: World, session: UUID) -> UUID:
    """Insert a session as the log stored it before visitor ids were hashed; return the event."""
    event_id, property_id = uuid4(), world.properties[0]
    payload = {"session_id": str(session), "visitor_id": SECRET, "user_agent": None}
    await conn.execute(
        "INSERT INTO crm_events (id, entity_type, entity_id, version, shard, event_type, "
        "schema_version, org_id, property_id, occurred_at, payload, digest, actor, origin) "
        "VALUES ($1, 'session', $2, 1, crm.shard_of($3), 'session.started', 1, $4, $3, now(), "
        "$5, 'old', $6, 'live')",
        event_id, session, property_id, world.org_id, payload, f"visitor:{SECRET}",
    )  # fmt: skip
    return event_id


async def test_the_migration_replaces_clear_visitor_ids_everywhere(
    database_url: str, owner_pool: asyncpg.Pool, settings: Settings
) -> None:
    await asyncio.to_thread(downgrade, database_url)
    world, session, other = await make_world(owner_pool), uuid4(), uuid4()
    async with owner_pool.acquire() as conn:
        event_id = await insert_version_1(conn, world, session)
        await conn.execute(
            "INSERT INTO crm_events (id, entity_type, entity_id, version, shard, event_type, "
            "schema_version, org_id, property_id, occurred_at, payload, digest, actor, origin) "
            "SELECT gen_random_uuid(), 'session', $2::uuid, 1, shard, event_type, 1, org_id, "
            "property_id, now(), jsonb_build_object('session_id', $2::uuid), 'old', "
            "'producer:/web for visitor:' || $3::text, 'live' FROM crm_events WHERE id = $1",
            event_id, other, SECRET,
        )  # fmt: skip
        await conn.execute("SET crm.engine = 'on'")
        await conn.execute(
            "INSERT INTO widget_sessions (id, org_id, property_id, visitor_id) "
            "VALUES ($1, $2, $3, $4)",
            session, world.org_id, world.properties[0], SECRET,
        )  # fmt: skip
        await conn.execute("RESET crm.engine")
    await asyncio.to_thread(migrate, database_url)
    assert await find_text(owner_pool, SECRET) == []
    async with owner_pool.acquire() as conn:
        key = (await load_secret_keys(conn, "visitor_id"))[0].key
        expected = hash_visitor_id(key, world.properties[0], SECRET)
        rows = await conn.fetch(f"SELECT {read.COLUMNS} FROM crm_events WHERE id = $1", event_id)
        [recorded] = await read.decode_rows(conn, rows)
        event = recorded.event
        assert isinstance(event, SessionStarted)
        assert event.visitor_hash == expected
        assert rows[0]["actor"] == f"visitor:{expected}"
        actors = {row["actor"] for row in await conn.fetch(
            "SELECT actor FROM crm_events WHERE entity_id = $1", other
        )}  # fmt: skip
        assert actors == {f"producer:/web for visitor:{expected}"}
        stored = await conn.fetchval("SELECT visitor_id FROM widget_sessions")
        assert stored == expected
        with pytest.raises(asyncpg.RestrictViolationError):
            await conn.execute("UPDATE crm_events SET actor = 'x'")
        forced = await conn.fetchval(
            "SELECT relforcerowsecurity FROM pg_class WHERE oid = 'widget_sessions'::regclass"
        )
        assert forced


async def test_an_event_that_was_migrated_is_recognised_when_it_is_sent_again(
    database_url: str, owner_pool: asyncpg.Pool
) -> None:
    """Its stored fingerprint was that of the clear id."""
    world, session = await make_world(owner_pool), uuid4()
    data = {"session_id": str(session), "visitor_id": SECRET, "user_agent": "a"}
    record = binary_record("session.started", data, world.properties[0])
    admission = Admission(owner_pool, IntakeSettings(), Clock())
    await admission.admit([record])
    await asyncio.to_thread(downgrade, database_url)
    async with owner_pool.acquire() as conn, conn.transaction():
        await conn.execute("ALTER TABLE crm_events DISABLE TRIGGER crm_events_numbered_once")
        payload = orjson.dumps(data).decode()
        await conn.execute(
            "UPDATE crm_events SET payload = $1::text::jsonb, digest = 'old' "
            "WHERE event_type = 'session.started'",
            payload,
        )
        await conn.execute("ALTER TABLE crm_events ENABLE ALWAYS TRIGGER crm_events_numbered_once")
    await asyncio.to_thread(migrate, database_url)
    [again] = await admission.admit([record])
    assert again.status.value == "duplicate"
    changed = binary_record(
        "session.started", {**data, "user_agent": "b"}, world.properties[0],
        ce_id=dict(record.headers)["ce_id"].decode(),  # type: ignore[union-attr]
    )  # fmt: skip
    [refused] = await admission.admit([changed])
    assert (refused.status.value, refused.reason) == ("dead", "id_reused")


def test_only_ids_stay_in_the_actor_of_a_producer() -> None:
    key, property_id = b"k" * 32, uuid4()
    user = f"user:{uuid4()}"
    for principal, kind, name in (
        ("visitor:v_1", "visitor", "v_1"),
        ("user:ada@example.com", "user", "ada@example.com"),
        ("user:+12125550123", "user", "+12125550123"),
        ("user:2125550123", "user", "2125550123"),
        ("Ada", "unknown", "Ada"),
        ("Ada B:7", "unknown", "Ada B:7"),
    ):
        expected = f"{kind}:{hash_visitor_id(key, property_id, name)}"
        assert hash_principal(key, property_id, principal) == expected
    for principal in ("user:1", user):
        assert hash_principal(key, property_id, principal) == principal


async def test_a_session_token_and_a_rotated_key_do_not_lose_the_session(
    site: Site, settings: Settings
) -> None:
    """After a rotation the visitor's id is unknown, but its token still proves the session."""
    first = (await site.client.post(
        CHAT, json={"message": "hi"}, headers=site.widget_headers(SECRET)
    )).json()  # fmt: skip
    async with site.world.pool.acquire() as conn:
        await rotate_secret_key(conn, "visitor_id", timedelta(0))
    async with open_api(settings, EchoResponder()) as client:
        body = {"message": "hi", "sessionId": first["sessionId"]}
        by_id = await client.post(CHAT, json=body, headers=site.widget_headers(SECRET))
        by_token = await client.post(
            CHAT, json=body,
            headers={"X-API-Key": site.key, "X-Session-Token": first["sessionToken"]},
        )  # fmt: skip
    assert (by_id.status_code, by_token.status_code) == (404, 200)
