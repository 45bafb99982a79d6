"""The `crm` command: what is wrong is one line on stderr, and the exit code says which kind."""

import os
from pathlib import Path

import pytest

from services.cli.main import FAILED, OK, USAGE, root_app, run


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
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
def test_a_wrong_use_is_one_line_and_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
) -> None:
    assert run(arguments) == code
    said = capsys.readouterr()
    assert said.err.startswith("crm: ")
    assert said.err.count("\n") == 1
    assert words in said.err
    assert said.out == ""


def test_a_failure_is_one_line_without_the_password_and_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "DATABASE_URL", "postgresql://u:hidden@127.0.0.1:9/x")
    assert run(["db", "migrate"]) == FAILED
    said = capsys.readouterr().err
    assert "cannot reach" in said
    assert "hidden" not in said
    assert said.count("\n") == 1


def test_no_stack_is_said_for_people_and_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status"]) == FAILED
    assert "crm up" in capsys.readouterr().out
    assert run(["status", "--json"]) == FAILED
    assert capsys.readouterr().out.strip() == "[]"


def test_down_where_nothing_runs_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["down"]) == OK
    assert "nothing runs" in capsys.readouterr().err


def test_every_sub_command_is_listed_with_its_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == OK
    said = capsys.readouterr().out
    for name in ("up", "down", "status", "db"):
        assert f"│ {name} " in said


def test_every_command_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    """A noun's own help shows them for all its verbs."""
    nouns = [name for name in root_app() if not name.startswith("-")]
    assert nouns
    for noun in nouns:
        assert run([noun, "--help"]) == OK
        assert f"crm {noun}" in capsys.readouterr().out.partition("Examples:")[2], noun


def test_the_database_is_migrated_and_again_changes_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert run(["db", "migrate"]) == OK
    assert "the schema is at" in capsys.readouterr().err
    assert run(["db", "url"]) == OK
    assert capsys.readouterr().out.strip() == database_url
