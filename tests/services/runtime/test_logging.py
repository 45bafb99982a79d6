"""Log lines: one JSON object each, also of libraries, without secrets."""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from services.runtime.logging import REDACTED, RetryLog, configure_logging, get_logger


@pytest.fixture(autouse=True)
def restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, config = root.handlers, root.level, structlog.get_config()
    yield
    sys.excepthook = sys.__excepthook__
    root.handlers = handlers
    root.setLevel(level)
    structlog.configure(**config)
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


def test_a_loop_that_tries_again_logs_once_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    configure_logging("relay", retries=RetryLog(lambda: now))
    for attempt in range(200):
        now = attempt * 0.5
        get_logger("relay").warning("relay.database_away", error=str(attempt), is_retry=True)
        logging.getLogger("aiokafka.conn").warning("Unable connect to %s", attempt)
        get_logger("relay").info("something.else")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    retries = [line for line in lines if line["event"] == "relay.database_away"]
    assert [(line["error"], line.get("omitted")) for line in retries] == [("0", None), ("120", 119)]
    assert not any("is_retry" in line for line in lines)
    assert sum(line["event"].startswith("Unable connect") for line in lines) == 2
    assert sum(line["event"] == "something.else" for line in lines) == 200


def test_the_addresses_of_requests_to_providers_are_not_logged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("sender")
    logging.getLogger("httpx2").info("HTTP Request: GET https://api.example/?To=%2B12125550123")
    assert capsys.readouterr().err == ""


PERSONAL = "ada@example.com"


def _quote() -> None:
    raise ValueError(f"{PERSONAL} is not a number")


def log_with_exc_info(error: Exception) -> None:
    get_logger("x").error("failed", exc_info=error)


def log_as_a_value(error: Exception) -> None:
    get_logger("x").warning("away", error=error)


def log_in_a_library(error: Exception) -> None:
    logging.getLogger("some.library").warning("cannot send: %s", error)


def log_as_the_message(error: Exception) -> None:
    logging.getLogger("some.library").error(error)


def log_like_asyncio(error: Exception) -> None:
    text = f"Task exception was never retrieved\nfuture: <Task exception={error!r}>"
    logging.getLogger("asyncio").error(text, exc_info=error)


def report_as_uncaught(error: Exception) -> None:
    sys.excepthook(type(error), error, error.__traceback__)


@pytest.mark.parametrize(
    "report",
    [
        log_with_exc_info, log_as_a_value, log_in_a_library, log_as_the_message, log_like_asyncio,
        report_as_uncaught,
    ],
)  # fmt: skip
def test_an_error_that_quotes_a_personal_value_is_logged_without_it(
    capsys: pytest.CaptureFixture[str], report: Callable[[Exception], None]
) -> None:
    configure_logging("api")
    try:
        _quote()
    except ValueError as error:
        report(error)
    output = capsys.readouterr().err
    assert PERSONAL not in output
    assert "ValueError in runtime/test_logging.py" in output


def test_the_current_error_is_logged_with_its_frames(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("api")
    try:
        _quote()
    except ValueError:
        get_logger("x").exception("failed")
    line = read_line(capsys)
    assert "_quote" in line["exception"]
    assert PERSONAL not in str(line)
