"""Settings come from arguments, the environment, the running stack, in this order."""

import os
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from services.runtime.database_settings import DatabaseSettings
from services.runtime.environment import explain, to_environment
from services.runtime.settings import Settings
from services.runtime.stack_state import StackState, delete_state, read_state, write_state

DATABASE = "postgresql://user:hidden@db/crm"


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove all settings from the environment; use an empty home directory."""
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


def test_the_environment_gives_the_addresses_of_the_servers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", DATABASE)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "a:1,b:2")
    monkeypatch.setenv("CRM_TOPIC_PREFIX", "own")
    loaded = Settings()
    assert loaded.dsn == DATABASE
    assert loaded.kafka_bootstrap_servers == "a:1,b:2"
    assert loaded.topic_prefix == "own"


def test_the_environment_has_precedence_over_the_running_stack(
    running: StackState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "given:1")
    loaded = Settings()
    assert loaded.kafka_bootstrap_servers == "given:1"
    assert loaded.dsn == DATABASE
    assert Settings(kafka_bootstrap_servers="argued:1").kafka_bootstrap_servers == "argued:1"


def test_a_stack_whose_process_is_gone_is_not_found(tmp_path: Path, running: StackState) -> None:
    assert read_state(tmp_path) == running
    write_state(tmp_path, StackState(pid=2**22 - 1, settings=running.settings))
    assert read_state(tmp_path) is None
    with pytest.raises(ValidationError):
        Settings()


def test_the_state_of_a_stopped_stack_is_deleted(tmp_path: Path, running: StackState) -> None:
    delete_state(tmp_path)
    delete_state(tmp_path)
    assert read_state(tmp_path) is None


def test_a_missing_setting_is_named_with_what_to_do() -> None:
    with pytest.raises(ValidationError) as error:
        Settings()
    assert "DATABASE_URL is not set" in explain(error.value)
    assert "KAFKA_BOOTSTRAP_SERVERS is not set" in explain(error.value)
    assert "crm up" in explain(error.value)


def test_database_settings_need_no_broker(running: StackState) -> None:
    assert DatabaseSettings().dsn == DATABASE


def test_a_secret_is_in_no_message_and_no_output() -> None:
    settings = Settings(
        database_url=SecretStr(DATABASE),
        kafka_bootstrap_servers="b:1",
        jwt_secret=SecretStr("sesame " * 5),
    )
    assert "hidden" not in repr(settings)
    assert "sesame" not in repr(settings)
    with pytest.raises(ValidationError) as error:
        Settings(database_url=SecretStr("mysql://user:hidden@db/crm"), kafka_bootstrap_servers="b")
    assert "hidden" not in explain(error.value)
    assert "postgresql://" in explain(error.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("jwks_url", "file:///etc/passwd"), ("jwks_url", "auth.example/jwks"),
        ("trusted_proxies", "everybody"), ("trusted_proxies", "10.0.0.0/33"),
        ("jwt_secret", "short"), ("jwt_audience", ""), ("jwks_lifespan_seconds", 0),
        ("jwks_refetch_seconds", -1),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ValidationError) as error:
        Settings.model_validate(
            {"database_url": DATABASE, "kafka_bootstrap_servers": "b:1", name: value}
        )
    assert f"CRM_{name.upper()}" in explain(error.value)
    assert "short" not in explain(error.value)


@pytest.mark.parametrize("partitions", [3, 0, 128])
def test_a_partition_count_that_splits_a_shard_is_refused(partitions: int) -> None:
    with pytest.raises(ValidationError):
        Settings(
            database_url=SecretStr(DATABASE),
            kafka_bootstrap_servers="b:1",
            topic_partitions=partitions,
        )


def test_a_child_process_reads_the_same_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(
        database_url=SecretStr(DATABASE),
        kafka_bootstrap_servers="b:1",
        topic_prefix="own",
        topic_partitions=4,
        home=tmp_path / "elsewhere",
        jwt_secret=SecretStr('with "quotes" and 32 characters'.ljust(32)),
        jwks_url="https://project.supabase.example/auth/v1/.well-known/jwks.json",
        jwt_issuer="https://project.supabase.example/auth/v1",
        trusted_proxies="10.0.0.0/8, 192.0.2.1",
        limit_address="",
        limit_contact="1/hour; 2/day",
        health_port=9100,
        statement_timeout_seconds=1.5,
        log_level="debug",
    )
    for name, value in to_environment(settings).items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings
