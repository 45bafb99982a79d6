"""A backup from before an erasure: the erasure is applied again before anything is served."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import orjson
import pytest
from pydantic import SecretStr

from services.local_stack.postgres import Postgres, binary
from services.privacy.erasure_completion import complete_erasures
from services.privacy.erasures import ErasureState, list_erasures
from services.runtime.database import pooled
from tests.conftest import make_settings, until
from tests.races.processes import assert_live_equals_rebuilt, run_processes, wait_until_level
from tests.security.byte_search import clean_up, dump, find_in_bytes, find_in_files
from tests.security.restored_backup import (
    DATABASE,
    KEYS,
    RESTORED,
    ROLES,
    back_up,
    erase_and_certify,
    make_core,
    open_restored_api,
    opt_out,
    restore,
)
from tests.security.test_forgotten_person import (
    EMAIL,
    OTHER,
    TEXTS,
    RunningSite,
    post,
    read_decrypted,
    read_others,
    read_subjects,
    spread,
)
from tests.services.api.site import open_site
from tests.services.cli.test_credentials import crm

LATER = "quokka.three@example.com"
"""The e-mail address of a lead that is captured after the backup, and erased too."""

pytestmark = pytest.mark.skipif(
    not Path(binary("pg_restore")).exists(), reason="the PostgreSQL of the tests has no pg_restore"
)


@pytest.fixture
def server(home: Path) -> Iterator[Postgres]:
    server = Postgres(home / "postgres", durable=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def other_server(home: Path) -> Iterator[Postgres]:
    """Start the server on which the backup is restored: its files have nothing else."""
    server = Postgres(home / "restored", durable=False)
    server.start()
    server.psql("-c", ROLES)
    yield server
    server.stop()


@pytest.mark.stack
async def test_a_restored_backup_serves_no_erased_person(
    server: Postgres, other_server: Postgres, bootstrap_servers: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    server.ensure_database(KEYS)
    settings = await make_core(server, make_settings(
        server.url(DATABASE), bootstrap_servers, tmp_path, keys_url=SecretStr(server.url(KEYS))
    ))  # fmt: skip
    backup = tmp_path / "backup"
    owner = await asyncpg.connect(server.url(DATABASE))
    async with (
        pooled(settings, "test") as pool, open_site(settings, pool) as opened,
        run_processes(settings),
    ):  # fmt: skip
        site = RunningSite(**vars(opened))
        lead = await spread(site, owner, tmp_path)
        await site.create_lead(email=OTHER, notes="quiet")
        await site.send_chat("I am a wombat", "v_2", leadInfo={"email": OTHER})
        await opt_out(site, lead)
        await site.project()
        back_up(server, backup)
        later = await site.create_lead(email=LATER)
        await site.project()
        await erase_and_certify(site, pool, later)
        await erase_and_certify(site, pool, lead)
        person = await read_subjects(owner)
    await owner.close()

    restored = settings.model_copy(update={
        "database_url": SecretStr(restore(other_server, backup)),
        "topic_prefix": f"{settings.topic_prefix}r",
    })  # fmt: skip
    owner = await asyncpg.connect(other_server.url(RESTORED))
    others = await read_others(owner, person)
    assert find_in_bytes(dump(other_server, RESTORED), TEXTS), "the backup has the texts"
    monkeypatch.setenv("DATABASE_URL", other_server.url(RESTORED))
    monkeypatch.setenv("CRM_KEYS_URL", server.url(KEYS))
    monkeypatch.setenv("CRM_HOME", str(tmp_path))
    async with open_restored_api(restored, site) as api:
        status, problem = await api.read_status()
        assert status == 503
        assert "run `crm privacy reapply`" in (problem or "")
        code, out = await crm(capsys, "privacy", "reapply")
        assert code == 0
        assert str(lead) in out.split()
        assert str(later) not in out.split(), "the backup does not know this lead"

        async def is_waiting_for_tables() -> bool:
            status, problem = await api.read_status()
            assert status == 503
            return "the tables lack the erasure" in (problem or "")

        await until(is_waiting_for_tables)
        async with run_processes(restored):

            async def is_served() -> bool:
                return await api.read_status() == (200, None)

            await until(is_served)
            async with pooled(restored, "test") as pool:
                await wait_until_level(pool)
                assert await complete_erasures(pool, datetime.now(UTC)) == []
                await wait_until_level(pool)
                assert {e.state for e in await list_erasures(pool)} == {ErasureState.COMPLETED}
                assert find_in_bytes(await read_decrypted(pool), [*TEXTS, OTHER]) == {OTHER}
            async with pooled(restored, "test owner", role=None) as owner_pool:
                await assert_live_equals_rebuilt(owner_pool)
        assert await read_others(owner, person) == others
    opt_outs = await owner.fetchval("SELECT count(*) FROM crm.contact_opt_outs WHERE NOT given")
    assert opt_outs == 2, "both e-mail addresses of the person"
    await clean_up(owner)
    assert find_in_files(other_server.directory, [*TEXTS, LATER]) == {}
    assert find_in_bytes(dump(other_server, RESTORED), [*TEXTS, LATER, OTHER]) == {OTHER}
    await owner.close()


@pytest.mark.stack
async def test_certificates_name_the_erasures_that_a_restored_key_store_does_not_know(
    server: Postgres, bootstrap_servers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    settings = await make_core(
        server, make_settings(server.url(DATABASE), bootstrap_servers, tmp_path)
    )
    backup, files = tmp_path / "backup", [tmp_path / "1.json", tmp_path / "2.json"]
    async with (
        pooled(settings, "test") as pool, open_site(settings, pool) as opened,
        run_processes(settings),
    ):  # fmt: skip
        site = RunningSite(**vars(opened))
        lead, merged = await site.create_lead(email=EMAIL), await site.create_lead()
        await post(site, f"/api/leads/{merged}/merge", intoLeadId=str(lead))
        other = await site.create_lead(email=OTHER)
        await site.project()
        back_up(server, backup)
        later = await site.create_lead(email=LATER)
        await site.project()
        for file, erased in zip(files, (lead, later), strict=True):
            file.write_bytes(orjson.dumps(await erase_and_certify(site, pool, erased)))

    url = restore(server, backup)
    restored = settings.model_copy(update={
        "database_url": SecretStr(url), "topic_prefix": f"{settings.topic_prefix}r",
    })  # fmt: skip
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("CRM_HOME", str(tmp_path))
    check = ("privacy", "certificate", "--check")
    assert (await crm(capsys, *check, str(files[0])))[0] == 1
    changed = tmp_path / "changed.json"
    changed.write_bytes(orjson.dumps({**orjson.loads(files[0].read_bytes()), "lead_ids": []}))
    assert (await crm(capsys, "privacy", "reapply", str(files[0]), str(changed)))[0] == 1
    assert (await crm(capsys, "privacy", "certificate", str(lead)))[0] == 1, "nothing is erased"
    code, out = await crm(capsys, "privacy", "reapply", *map(str, files))
    assert (code, set(out.split())) == (0, {str(lead), str(merged)})
    assert await crm(capsys, "privacy", "reapply", *map(str, files)) == (0, "")
    async with open_restored_api(restored, site) as api:
        assert (await api.read_status())[0] == 503
        async with run_processes(restored):

            async def is_served() -> bool:
                return await api.read_status() == (200, None)

            await until(is_served)
    for file in files:
        assert (await crm(capsys, *check, str(file)))[0] == 0
    owner = await asyncpg.connect(url)
    emails = {row["email"] for row in await owner.fetch("SELECT email FROM leads")}
    assert emails == {None, OTHER}
    assert await owner.fetchval("SELECT email FROM leads WHERE id = $1", other) == OTHER
    await owner.close()
