"""Settings come from arguments, the environment, the running stack, in this order."""

import os
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from services.runtime.settings import DatabaseSettings, Settings, as_environment, explain
from services.runtime.stack_state import StackState, forget_state, read_state, write_state

DATABASE = "postgresql://user:hidden@db/crm"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing but what the test sets; an empty home."""
    for name in list(os.environ):
        if name.startswith("CRM_") or name in ("DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CRM_HOME", str(tmp_path))


@pytest.fixture
def running(tmp_path: Path) -> StackState:
    state = StackState(
        pid=os.getpid(),
        settings={"database_url": DATABASE, "kafka_bootstrap_servers": "stack:1"},
    )
    write_state(tmp_path, state)
    return state


def test_the_environment_names_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", DATABASE)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "a:1,b:2")
    monkeypatch.setenv("CRM_TOPIC_PREFIX", "mine")
    found = Settings()
    assert found.dsn == DATABASE
    assert found.kafka_bootstrap_servers == "a:1,b:2"
    assert found.topic_prefix == "mine"


def test_the_environment_has_precedence_over_the_running_stack(
    running: StackState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "given:1")
    found = Settings()
    assert found.kafka_bootstrap_servers == "given:1"
    assert found.dsn == DATABASE
    assert Settings(kafka_bootstrap_servers="argued:1").kafka_bootstrap_servers == "argued:1"


def test_a_stack_whose_process_is_gone_is_not_found(tmp_path: Path, running: StackState) -> None:
    assert read_state(tmp_path) == running
    write_state(tmp_path, StackState(pid=2**22 - 1, settings=running.settings))
    assert read_state(tmp_path) is None
    with pytest.raises(ValidationError):
        Settings()


def test_a_stack_that_ended_is_forgotten(tmp_path: Path, running: StackState) -> None:
    forget_state(tmp_path)
    forget_state(tmp_path)
    assert read_state(tmp_path) is None


def test_what_is_missing_is_named_with_the_way_out() -> None:
    with pytest.raises(ValidationError) as error:
        Settings()
    assert "DATABASE_URL is not set" in explain(error.value)
    assert "KAFKA_BOOTSTRAP_SERVERS is not set" in explain(error.value)
    assert "crm up" in explain(error.value)


def test_the_database_alone_needs_no_broker(running: StackState) -> None:
    assert DatabaseSettings().dsn == DATABASE


def test_a_secret_shows_in_no_message_and_no_print() -> None:
    made = Settings(
        database_url=SecretStr(DATABASE),
        kafka_bootstrap_servers="b:1",
        jwt_secret=SecretStr("sesame"),
        signing_secret=SecretStr("open " * 8),
    )
    assert "hidden" not in repr(made)
    assert "sesame" not in repr(made)
    assert "open open" not in repr(made)
    with pytest.raises(ValidationError) as error:
        Settings(database_url=SecretStr("mysql://user:hidden@db/crm"), kafka_bootstrap_servers="b")
    assert "hidden" not in explain(error.value)
    assert "postgresql://" in explain(error.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("jwks_url", "file:///etc/passwd"), ("jwks_url", "auth.example/jwks"),
        ("trusted_proxies", "everybody"), ("trusted_proxies", "10.0.0.0/33"),
        ("signing_secret", "short"), ("jwt_audience", ""), ("jwks_lifespan_seconds", 0),
        ("jwks_refetch_seconds", -1),
    ],
)  # fmt: skip
def test_a_setting_of_authentication_that_makes_no_sense_is_refused(
    name: str, value: object
) -> None:
    with pytest.raises(ValidationError) as error:
        Settings.model_validate(
            {"database_url": DATABASE, "kafka_bootstrap_servers": "b:1", name: value}
        )
    assert f"CRM_{name.upper()}" in explain(error.value)
    assert "short" not in explain(error.value)


@pytest.mark.parametrize("partitions", [3, 0, 128])
def test_a_partition_count_that_would_split_a_shard_is_refused(partitions: int) -> None:
    with pytest.raises(ValidationError):
        Settings(
            database_url=SecretStr(DATABASE),
            kafka_bootstrap_servers="b:1",
            topic_partitions=partitions,
        )


def test_a_child_reads_the_very_same_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Settings(
        database_url=SecretStr(DATABASE),
        kafka_bootstrap_servers="b:1",
        topic_prefix="mine",
        topic_partitions=4,
        home=tmp_path / "elsewhere",
        jwt_secret=SecretStr('with "quotes"'),
        signing_secret=SecretStr("x" * 32),
        jwks_url="https://project.supabase.example/auth/v1/.well-known/jwks.json",
        jwt_issuer="https://project.supabase.example/auth/v1",
        trusted_proxies="10.0.0.0/8, 192.0.2.1",
        limit_address="",
        limit_contact="1/hour; 2/day",
        health_port=9100,
        statement_timeout_seconds=1.5,
        log_level="debug",
    )
    for name, value in as_environment(made).items():
        monkeypatch.setenv(name, value)
    assert Settings() == made
