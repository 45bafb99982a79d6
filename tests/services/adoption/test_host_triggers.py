"""Triggers of the host: they fire for its own writes, and adoption changes no row."""

from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from projections.engine.host_triggers import read_host_triggers
from services.adoption.trigger_exemption import describe_triggers, exempt_engine, read_triggers
from services.runtime.database import connect
from tests.conftest import as_login, make_settings
from tests.host import adopt_all, assert_live_equals_rebuilt, rebuild_of
from tests.services.adoption.conftest import ROWS, HostDatabase

USUAL_TRIGGERS = """
CREATE TABLE audit (id uuid, word text);
CREATE FUNCTION set_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.updated_at = now();
  RETURN NEW;
END $$;
CREATE FUNCTION write_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO audit VALUES (NEW.id, TG_OP);
  RETURN NULL;
END $$;
CREATE TRIGGER handle_updated_at BEFORE UPDATE ON leads
  FOR EACH ROW EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER audit_lead AFTER INSERT OR UPDATE ON leads
  FOR EACH ROW EXECUTE FUNCTION write_audit();
CREATE TRIGGER audit_message AFTER UPDATE ON messages
  FOR EACH ROW WHEN (NEW.content IS NOT NULL) EXECUTE FUNCTION write_audit();
"""
"""Triggers of many hosts on Supabase: a time stamp by the database, and an audit log."""
LONG_AGO = "2024-01-01 00:00+00"


async def read_stamps(conn: asyncpg.Connection) -> dict[object, object]:
    return {row[0]: row[1] for row in await conn.fetch("SELECT id, updated_at FROM leads")}


async def stamp(conn: asyncpg.Connection) -> None:
    """Give every lead an old time stamp, as the host's own trigger once did."""
    async with conn.transaction():
        await conn.execute("SET LOCAL crm.engine = 'on'")
        await conn.execute(f"UPDATE leads SET updated_at = '{LONG_AGO}'")


async def test_adoption_fires_no_trigger_of_the_host(installed: HostDatabase) -> None:
    conn = installed.conn
    await stamp(conn)
    await conn.execute(USUAL_TRIGGERS)
    before = await read_stamps(conn)
    await exempt_engine(conn)
    await adopt_all(installed.host, installed.pool)
    assert await conn.fetchval("SELECT count(*) FROM leads WHERE org_id IS NOT NULL") == ROWS
    assert await read_stamps(conn) == before
    assert await conn.fetch("SELECT * FROM audit") == []
    await assert_live_equals_rebuilt(installed.pool)
    # The host's own writes fire them as before, and the core follows.
    lead = installed.host.leads[0]
    await conn.execute("UPDATE leads SET notes = 'called' WHERE id = $1", lead)
    assert (await read_stamps(conn))[lead] != before[lead]
    assert len(await conn.fetch("SELECT * FROM audit")) == 1
    await installed.world.project()
    assert len(await conn.fetch("SELECT * FROM audit")) == 1
    await assert_live_equals_rebuilt(installed.pool)


async def test_columns_of_triggers_that_may_not_be_changed_are_the_hosts(
    installed: HostDatabase, template_database: str, tmp_path: Path
) -> None:
    conn = installed.conn
    await stamp(conn)
    await conn.execute(USUAL_TRIGGERS)
    settings = make_settings(as_login(installed.url), "127.0.0.1:9", tmp_path)
    login = await connect(settings, "test", role=None)
    await exempt_engine(login)
    await login.close()
    triggers = {trigger.name: trigger for trigger in await read_triggers(conn)}
    assert triggers["handle_updated_at"].fires_for_engine
    assert triggers["handle_updated_at"].columns == ("updated_at",)
    await adopt_all(installed.host, installed.pool)
    stamps = await read_stamps(conn)
    assert len([value for value in stamps.values() if str(value) > "2025"]) == ROWS
    await assert_live_equals_rebuilt(installed.pool)
    # Another column that differs is still found, and a repair leaves the host's column as it is.
    lead = installed.host.leads[0]
    async with conn.transaction():
        await conn.execute("SET LOCAL crm.engine = 'on'")
        await conn.execute("ALTER TABLE leads DISABLE TRIGGER handle_updated_at")
        await conn.execute("UPDATE leads SET notes = 'damage' WHERE id = $1", lead)
        await conn.execute("ALTER TABLE leads ENABLE TRIGGER handle_updated_at")
    assert not (await rebuild_of(installed.pool).verify()).equal
    await rebuild_of(installed.pool).rebuild(repair=True)
    assert await conn.fetchval("SELECT notes FROM leads WHERE id = $1", lead) is None
    await assert_live_equals_rebuilt(installed.pool)


async def test_a_repair_and_the_projector_find_the_objects_of_the_hosts_triggers(
    adopted: HostDatabase,
) -> None:
    """`write_audit` names its table without a schema, so it depends on the search path."""
    conn = adopted.conn
    await conn.execute(USUAL_TRIGGERS)
    lead = adopted.host.leads[0]
    async with conn.transaction():
        await conn.execute("SET LOCAL crm.engine = 'on'")
        await conn.execute("UPDATE leads SET last_name = 'damage' WHERE id = $1", lead)
    audited = await conn.fetchval("SELECT count(*) FROM audit")
    await rebuild_of(adopted.pool).rebuild(repair=True)
    assert await conn.fetchval("SELECT last_name FROM leads WHERE id = $1", lead) == "O'Neil"
    assert await conn.fetchval("SELECT count(*) FROM audit") == audited + 1
    await conn.execute("UPDATE leads SET notes = 'called' WHERE id = $1", lead)
    await adopted.world.project()
    await assert_live_equals_rebuilt(adopted.pool)


SOURCES = {
    "NEW.updated_at = now(); RETURN NEW;": ("updated_at",),
    "new.updated_at := now(); RETURN NEW;": ("updated_at",),
    'NEW."email" := lower(NEW.email); RETURN NEW;': ("email",),
    "IF NEW.status = 'lost' THEN NEW.notes = 'x'; ELSE NEW.source = 'y'; END IF; RETURN NEW;": (
        "notes", "source",
    ),
    "SELECT 'x' INTO NEW.notes; RETURN NEW;": ("notes",),
    "-- NEW.notes = 'x';\n RETURN NEW;": (),
    "IF NEW.status = 'new' THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW;": (),
    "NEW := jsonb_populate_record(NEW, '{}'); RETURN NEW;": None,
    "NEW = OLD; RETURN NEW;": None,
}  # fmt: skip


@pytest.mark.parametrize(("source", "columns"), SOURCES.items())
async def test_the_written_columns_are_found_in_the_source(
    database_url: str, source: str, columns: tuple[str, ...] | None
) -> None:
    conn = await asyncpg.connect(database_url)
    await conn.execute(
        f"CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {source} END $$;"
        "CREATE TRIGGER t BEFORE UPDATE ON leads FOR EACH ROW EXECUTE FUNCTION change()"
    )
    [trigger] = await read_host_triggers(conn, ["public.leads"])
    assert trigger.columns == columns
    await conn.close()


DEFINITIONS = [
    "CREATE TRIGGER t BEFORE UPDATE ON leads FOR EACH ROW EXECUTE FUNCTION note('a')",
    (
        "CREATE TRIGGER t BEFORE UPDATE OF notes, email ON leads FOR EACH ROW "
        "WHEN (OLD.* IS DISTINCT FROM NEW.* AND (NEW.notes = ' WHEN (' OR NEW.notes IS NULL)) "
        "EXECUTE FUNCTION note()"
    ),
    "CREATE TRIGGER t AFTER INSERT ON leads FOR EACH STATEMENT EXECUTE FUNCTION note()",
    (
        "CREATE TRIGGER t AFTER UPDATE ON leads REFERENCING NEW TABLE AS changed "
        "FOR EACH STATEMENT EXECUTE FUNCTION note()"
    ),
    (
        "CREATE CONSTRAINT TRIGGER t AFTER UPDATE ON leads DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION note()"
    ),
    (
        "CREATE TRIGGER t BEFORE UPDATE ON leads FOR EACH ROW EXECUTE FUNCTION note(); "
        "ALTER TABLE leads ENABLE ALWAYS TRIGGER t"
    ),
]


@pytest.mark.parametrize("definition", DEFINITIONS)
async def test_an_exempted_trigger_fires_for_the_host_only(
    database_url: str, definition: str
) -> None:
    conn = await asyncpg.connect(database_url)
    await conn.execute(
        "CREATE TABLE noted (); CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN INSERT INTO noted DEFAULT VALUES; RETURN NEW; END $$; {definition}"
    )
    [before] = await read_host_triggers(conn, ["public.leads"])
    assert before.fires_for_engine
    await exempt_engine(conn)
    [after] = await read_host_triggers(conn, ["public.leads"])
    assert not after.fires_for_engine
    assert (after.timing, after.is_always, after.is_constraint, after.columns) == (
        before.timing, before.is_always, before.is_constraint, before.columns,
    )  # fmt: skip
    await exempt_engine(conn)
    assert await read_host_triggers(conn, ["public.leads"]) == [after]
    org, property_id = uuid4(), uuid4()
    await conn.execute("INSERT INTO organizations (id, name) VALUES ($1, 'Acme')", org)
    await conn.execute(
        "INSERT INTO properties (id, org_id, name) VALUES ($1, $2, 'Elm')", property_id, org
    )
    for engine, count in (("on", 0), ("off", 1)):
        lead = uuid4()
        async with conn.transaction():
            await conn.execute(f"SET LOCAL crm.engine = '{engine}'")
            if engine == "off":
                await conn.execute("SELECT crm.open_adoption()")
            await conn.execute(
                "INSERT INTO leads (id, property_id) VALUES ($1, $2)", lead, property_id
            )
            await conn.execute("UPDATE leads SET notes = NULL, bedrooms = '1' WHERE id = $1", lead)
        assert await conn.fetchval("SELECT count(*) FROM noted") == count, engine
    await conn.close()


async def test_the_listing_says_what_each_trigger_will_do(installed: HostDatabase) -> None:
    conn = installed.conn
    await conn.execute(USUAL_TRIGGERS)
    listed = describe_triggers(await read_triggers(conn), is_planned=True)
    assert [(row["table"], row["trigger"], row["fires"]) for row in listed] == [
        ("leads", "audit_lead", "AFTER INSERT OR UPDATE"),
        ("leads", "handle_updated_at", "BEFORE UPDATE"),
        ("messages", "audit_message", "AFTER UPDATE"),
    ]
    assert "makes it not fire for the core" in listed[0]["effect"]
    kept = describe_triggers(await read_triggers(conn), is_planned=False)
    assert "it writes updated_at: comparisons leave these columns out" in kept[1]["effect"]
    assert "CREATE OR REPLACE TRIGGER handle_updated_at" in kept[1]["effect"]
    await exempt_engine(conn)
    done = describe_triggers(await read_triggers(conn), is_planned=False)
    assert {row["effect"] for row in done} == {"it does not fire for the core"}
