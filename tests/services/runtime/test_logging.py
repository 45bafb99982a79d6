"""Log lines: one JSON object each, also of libraries, without secrets."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from services.runtime.logging import REDACTED, configure_logging, get_logger


@pytest.fixture(autouse=True)
def restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def read_line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(capsys.readouterr().err)
    return line


def test_a_line_has_its_process_its_event_and_its_values(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("relay")
    get_logger("x").info("batch.published", events=3)
    line = read_line(capsys)
    assert line["process"] == "relay"
    assert line["event"] == "batch.published"
    assert line["events"] == 3
    assert line["level"] == "info"
    assert line["timestamp"].endswith("Z")


def test_lines_of_libraries_have_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("relay")
    logging.getLogger("some.library").warning("to %s", "postgresql://u:hidden@db/x")
    line = read_line(capsys)
    assert line["event"] == f"to postgresql://u:{REDACTED}@db/x"
    assert line["process"] == "relay"


@pytest.mark.parametrize(
    "values",
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
def test_a_line_contains_no_secret(
    capsys: pytest.CaptureFixture[str], values: dict[str, Any]
) -> None:
    configure_logging("api")
    get_logger("x").info("requested", **values)
    output = capsys.readouterr().err
    assert "hidden" not in output
    assert REDACTED in output


def test_a_secret_in_an_exception_is_removed(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("api")
    try:
        raise ConnectionError("cannot reach postgresql://u:hidden@db/x")
    except ConnectionError:
        get_logger("x").exception("failed")
    output = capsys.readouterr().err
    assert "hidden" not in output
    assert "cannot reach" in output


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("api", level="warning")
    get_logger("x").info("chatter")
    assert capsys.readouterr().err == ""


def test_the_console_form_is_not_json(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("api", form="console")
    get_logger("x").info("requested", times=2)
    output = capsys.readouterr().err
    assert "requested" in output
    assert "{" not in output
