"""Structured log lines on stderr, also of libraries, without secrets and personal values."""

import logging
import re
import sys
import time
from collections.abc import Callable, MutableMapping
from typing import Any, Literal

import structlog

from events.log.error_text import describe_chain, describe_error
from events.trace_context import CURRENT_TRACE

SECRET_NAME = re.compile(
    r"secret|password|passwd|token|authorization|api[_-]?key|cookie|credential|dsn|database_url",
    re.IGNORECASE,
)
SECRET_IN_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s@/]+@", re.IGNORECASE)
SECRET_IN_TEXT = re.compile(r"(?P<name>bearer\s+|x-api-key[:=]\s*)[^\s,;'\"]+", re.IGNORECASE)
REDACTED = "[redacted]"
RETRY_LOG_SECONDS = 60.0
"""A loop that tries again logs its failure once in this time, not for each attempt."""
RETRYING_LIBRARIES = ("aiokafka", "faststream", "opentelemetry")
MAX_DEPTH = 6


def configure_logging(
    process: str,
    *,
    form: Literal["json", "console"] = "json",
    level: str = "info",
    retries: "RetryLog | None" = None,
) -> None:
    """Set up structlog and the standard library's logging; every line contains `process`."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        add_trace,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        describe_errors,
        redact,
    ]
    retries = retries or RetryLog()
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(sort_keys=True)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    handler.addFilter(retries.admit_library_line)
    handler.addFilter(hide_values)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    sys.excepthook = _log_uncaught
    # Access lines and lines of requests to providers contain phone numbers in their addresses.
    for library in (*RETRYING_LIBRARIES, "uvicorn.access", "httpx2"):
        logging.getLogger(library).setLevel(max(root.level, logging.WARNING))
    structlog.configure(
        processors=[retries.limit, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(process=process)


class RetryLog:
    """The limit of log lines of loops that try again: one a minute for each logger and event.

    A loop marks its line with `is_retry=True`. The line after a silence contains `omitted`, the
    number of lines that were not written.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._written_at: dict[tuple[str, str], float] = {}
        self._omitted: dict[tuple[str, str], int] = {}

    def limit(
        self, logger: Any, _method: str, line: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Drop the line if it is a repetition within a minute. A processor of structlog."""
        if not line.pop("is_retry", False):
            return line
        omitted = self._count_omitted((logger.name, str(line["event"])))
        if omitted is None:
            raise structlog.DropEvent
        if omitted:
            line["omitted"] = omitted
        return line

    def admit_library_line(self, record: logging.LogRecord) -> bool:
        """Return whether a line of a library that logs each attempt is written."""
        if not record.name.startswith(RETRYING_LIBRARIES):
            return True
        return self._count_omitted((record.name, str(record.msg))) is not None

    def _count_omitted(self, key: tuple[str, str]) -> int | None:
        """Return how many lines were omitted before this one; None if it is to be omitted too."""
        now = self._now()
        if now - self._written_at.get(key, -RETRY_LOG_SECONDS) < RETRY_LOG_SECONDS:
            self._omitted[key] = self._omitted.get(key, 0) + 1
            return None
        self._written_at[key] = now
        return self._omitted.pop(key, 0)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger. Use: `log.info("batch.applied", events=500)`, a name and its values."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def add_trace(
    _logger: Any, _method: str, line: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Add the ids of the current trace and its span, with the names that log stores know."""
    if trace := CURRENT_TRACE.get():
        line["trace_id"] = trace.trace_id.hex()
        if trace.span_id:
            line["span_id"] = trace.span_id.hex()
    return line


def describe_errors(
    _logger: Any, _method: str, line: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Replace errors by texts without the values that their messages may quote."""
    error = line.pop("exc_info", None)
    if isinstance(error, tuple):
        error = error[1]
    elif error and not isinstance(error, BaseException):
        error = sys.exception()
    if error:
        line["exception"] = describe_chain(error)
    for name, value in line.items():
        if isinstance(value, BaseException):
            line[name] = describe_error(value)
    return line


def hide_values(record: logging.LogRecord) -> bool:
    """Replace the errors in a line of a library. A filter of the standard library's logging."""
    if isinstance(record.msg, BaseException):
        record.msg = describe_error(record.msg)
    if isinstance(record.args, tuple):
        record.args = tuple(
            describe_error(arg) if isinstance(arg, BaseException) else arg for arg in record.args
        )
    if record.name == "asyncio":
        # The further lines show tasks, with the messages of their errors.
        record.msg, record.args = record.getMessage().partition("\n")[0], ()
    return True


def _log_uncaught(_kind: object, error: BaseException, _traceback: object) -> None:
    get_logger("process").critical("process.failed", exc_info=error)


def redact(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace values whose name means a secret, and passwords inside addresses and texts."""
    for name in list(line):
        line[name] = REDACTED if SECRET_NAME.search(name) else _clean(line[name], MAX_DEPTH)
    return line


def _clean(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        value = SECRET_IN_URL.sub(rf"\g<scheme>:{REDACTED}@", value)
        return SECRET_IN_TEXT.sub(rf"\g<name>{REDACTED}", value)
    if depth == 0:
        return value
    if isinstance(value, dict):
        return {
            name: REDACTED
            if isinstance(name, str) and SECRET_NAME.search(name)
            else _clean(item, depth - 1)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_clean(item, depth - 1) for item in value]
    return value
