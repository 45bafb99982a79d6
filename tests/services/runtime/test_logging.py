"""Log lines: one JSON object each, whoever writes them, without secrets."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from services.runtime.logging import REDACTED, configure_logging, get_logger


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def written(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(capsys.readouterr().err)
    return line


def test_a_line_names_its_process_event_and_facts(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("relay")
    get_logger("x").info("batch.published", events=3)
    line = written(capsys)
    assert line["process"] == "relay"
    assert line["event"] == "batch.published"
    assert line["events"] == 3
    assert line["level"] == "info"
    assert line["timestamp"].endswith("Z")


def test_libraries_log_in_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("relay")
    logging.getLogger("some.library").warning("to %s", "postgresql://u:hidden@db/x")
    line = written(capsys)
    assert line["event"] == f"to postgresql://u:{REDACTED}@db/x"
    assert line["process"] == "relay"


@pytest.mark.parametrize(
    "facts",
    [
        {"password": "hidden"},
        {"jwt_secret": "hidden"},
        {"headers": {"Authorization": "hidden", "X-Api-Key": "hidden"}},
        {"deep": [{"deeper": ({"api_key": "hidden"},)}]},
        {"url": "postgres://user:hidden@host/db"},
        {"text": "sent Bearer hidden and went on"},
        {"text": "x-api-key: hidden"},
    ],
    ids=repr,
)
def test_no_secret_is_written(
    capsys: pytest.CaptureFixture[str], recorded_events: dict[str, Any]
) -> None:
    configure_logging("api")
    get_logger("x").info("asked", **recorded_events)
    said = capsys.readouterr().err
    assert "hidden" not in said
    assert REDACTED in said


def test_a_secret_in_an_exception_is_taken_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("api")
    try:
        raise ConnectionError("cannot reach postgresql://u:hidden@db/x")
    except ConnectionError:
        get_logger("x").exception("failed")
    said = capsys.readouterr().err
    assert "hidden" not in said
    assert "cannot reach" in said


def test_quieter_levels_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("api", level="warning")
    get_logger("x").info("chatter")
    assert capsys.readouterr().err == ""


def test_people_get_lines_without_braces(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("api", form="console")
    get_logger("x").info("asked", times=2)
    said = capsys.readouterr().err
    assert "asked" in said
    assert "{" not in said
