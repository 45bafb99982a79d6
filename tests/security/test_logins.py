"""Logins of the core at its servers: as few rights as possible, and none without a password."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest
import yaml
from pydantic import SecretStr, ValidationError

from events.bus.brokers import Brokers, client_options
from services.local_stack.kafka import Kafka
from services.local_stack.postgres import Postgres
from services.runtime.database import pooled
from services.runtime.environment import explain
from services.runtime.migrations import migrate
from services.runtime.reachability import KAFKA
from services.runtime.settings import Settings
from tests.conftest import make_settings
from tests.process import running
from tests.races.processes import wait_until_level
from tests.world import make_world

COMPOSE = Path(__file__).parents[2] / "compose.yaml"
USER, PASSWORD = "crm", "a password of the broker"


@pytest.fixture
def postgres(home: Path) -> Iterator[Postgres]:
    server = Postgres(home / "postgres", durable=False)
    server.start()
    yield server
    server.stop()


@pytest.mark.stack
async def test_the_database_login_of_compose_can_work_and_nothing_else(
    postgres: Postgres, tmp_path: Path
) -> None:
    """The statements of compose.yaml, then the migrations as the owner, then work as the login."""
    postgres.ensure_database("crm")
    content = yaml.safe_load(COMPOSE.read_text())["configs"]["database-login"]["content"]
    [statements] = re.findall(r"<<'SQL'\n(.*)SQL\n", content, re.DOTALL)
    postgres.psql("-v", "password=hidden", "-f", "-", database="crm", stdin=statements.encode())
    await asyncio.to_thread(migrate, postgres.url("crm"))
    owner = await asyncpg.connect(postgres.url("crm"))
    # The host's own grant, which Supabase has: the test writes an organisation as a worker.
    await owner.execute("GRANT INSERT, UPDATE ON organizations, properties TO service_role")
    await owner.close()
    parts = urlsplit(postgres.url("crm"))
    login = urlunsplit(parts._replace(netloc=f"crm_login:hidden@{parts.netloc.rpartition('@')[2]}"))
    async with pooled(make_settings(login, "127.0.0.1:9", tmp_path), "test") as pool:
        world = await make_world(pool)
        await world.append(world.new(world.captured()))
        await world.project()
        assert await world.count("leads") == 1
    conn = await asyncpg.connect(login)
    try:
        for statement in (
            "SELECT * FROM leads", "SELECT * FROM crm.secret_keys", "CREATE TABLE public.x ()",
            "DROP TABLE leads", "CREATE ROLE x", "ALTER TABLE crm_events DISABLE TRIGGER ALL",
        ):  # fmt: skip
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute(statement)
    finally:
        await conn.close()


def make_kafka_settings(**more: Any) -> Settings:
    return make_settings("postgresql://nobody@127.0.0.1:9/x", "127.0.0.1:9", Path(".crm"), **more)


SASL = {
    "kafka_security_protocol": "SASL_PLAINTEXT", "kafka_sasl_username": USER,
    "kafka_sasl_password": SecretStr(PASSWORD),
}  # fmt: skip


@pytest.mark.parametrize("missing", ["kafka_sasl_username", "kafka_sasl_password"])
def test_a_sasl_protocol_needs_user_and_password(missing: str) -> None:
    with pytest.raises(ValidationError) as error:
        make_kafka_settings(**{**SASL, missing: None})
    assert "set CRM_KAFKA_SASL_USERNAME and CRM_KAFKA_SASL_PASSWORD" in explain(error.value)
    assert PASSWORD not in explain(error.value)


def test_the_security_of_the_brokers_reaches_the_client_and_no_text() -> None:
    brokers = make_kafka_settings(**SASL, kafka_sasl_mechanism="SCRAM-SHA-256").brokers
    assert client_options(brokers) == {
        "bootstrap_servers": "127.0.0.1:9", "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-256", "sasl_plain_username": USER,
        "sasl_plain_password": PASSWORD,
    }  # fmt: skip
    assert PASSWORD not in f"{brokers} {brokers!r} {make_kafka_settings(**SASL)!r}"
    assert client_options(Brokers("a:1")) == client_options("a:1") == {"bootstrap_servers": "a:1"}


def test_the_ca_file_is_the_only_authority_of_tls(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("not a certificate")
    brokers = make_kafka_settings(kafka_security_protocol="SSL", kafka_ca_file=file).brokers
    with pytest.raises(OSError, match=r"(?i)no certificate|x509|PEM"):
        client_options(brokers)
    system = make_kafka_settings(kafka_security_protocol="SSL").brokers
    assert client_options(system)["ssl_context"].check_hostname


@pytest.fixture
def kafka(home: Path) -> Iterator[Kafka]:
    server = Kafka(home / "kafka", login=(USER, PASSWORD))
    server.start()
    yield server
    server.stop()


@pytest.mark.kafka
@pytest.mark.stack
async def test_all_processes_work_with_a_kafka_that_requires_a_login(
    kafka: Kafka, settings: Settings, pool: asyncpg.Pool
) -> None:
    own = settings.model_copy(update={**SASL, "kafka_bootstrap_servers": kafka.bootstrap_servers})
    world = await make_world(pool)
    async with running(own, "relay", "projector", "intake"):
        await world.append(world.new(world.captured(uuid4())))
        await wait_until_level(pool)
    assert await world.count("leads") == 1
    assert await KAFKA(own) is None
    wrong = own.model_copy(update={"kafka_sasl_password": SecretStr("wrong")})
    for refused in (
        wrong,
        settings.model_copy(update={"kafka_bootstrap_servers": str(own.brokers)}),
    ):
        problem = await KAFKA(refused)
        assert problem is not None
        assert "cannot reach Kafka" in problem
