"""The `crm` command: an error is one line on stderr, and the exit code tells its kind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.cli.main import FAILED, OK, SETTINGS, USAGE, root_app, run
from services.runtime.database_settings import DatabaseSettings


@pytest.fixture(autouse=True)
def no_stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "CRM_TRACEBACK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CRM_HOME", str(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nonsense"], USAGE, "nonsense"),
        (["db", "migrate", "--no-such-option", "1"], USAGE, "--no-such-option"),
        (["up", "--http-port", "many"], USAGE, "--http-port"),
        (["db", "url"], USAGE, "crm up"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
) -> None:
    assert run(arguments) == code
    output = capsys.readouterr()
    assert output.err.startswith("crm: ")
    assert output.err.count("\n") == 1
    assert words in output.err
    assert output.out == ""


def test_a_failure_is_one_line_without_the_password_and_exit_code_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "DATABASE_URL", "postgresql://u:hidden@127.0.0.1:9/x")
    assert run(["db", "migrate"]) == FAILED
    output = capsys.readouterr().err
    assert "cannot reach" in output
    assert "hidden" not in output
    assert output.count("\n") == 1


def test_status_without_a_stack_is_text_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status"]) == FAILED
    assert "crm up" in capsys.readouterr().out
    assert run(["status", "--json"]) == FAILED
    assert capsys.readouterr().out.strip() == "[]"


def test_down_without_a_stack_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["down"]) == OK
    assert "nothing runs" in capsys.readouterr().err


def test_the_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == OK
    output = capsys.readouterr().out
    for name in ("up", "down", "status", "db"):
        assert f"│ {name} " in output


def test_every_command_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    """Check the help of each command, which has the examples of its sub-commands too."""
    commands = [name for name in root_app() if not name.startswith("-")]
    assert commands
    for command in commands:
        assert run([command, "--help"]) == OK
        assert f"crm {command}" in capsys.readouterr().out.partition("Examples:")[2], command


def test_a_second_migration_changes_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert run(["db", "migrate"]) == OK
    assert "the schema is at" in capsys.readouterr().err
    assert run(["db", "url"]) == OK
    assert capsys.readouterr().out.strip() == database_url


def test_a_wrong_value_of_every_settings_class_is_explained() -> None:
    """The title of the error is the name of the class whose settings are wrong."""
    classes: list[type[DatabaseSettings]] = [DatabaseSettings]
    for kind in classes:
        classes += kind.__subclasses__()
    names = {kind.__name__ for kind in classes if kind.__module__.startswith("services.runtime.")}
    assert names == set(SETTINGS)


def test_a_traceback_is_shown_on_request_and_stdout_stays_empty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CRM_TRACEBACK", "1")
    monkeypatch.setenv("DATABASE_URL", "postgresql://crm@127.0.0.1:1/crm")
    ended = subprocess.run(
        [sys.executable, "-m", "services.cli", "privacy", "list"], capture_output=True, check=False
    )
    assert ended.returncode == 1
    assert b"Traceback (most recent call last)" in ended.stderr
    assert ended.stdout == b""
