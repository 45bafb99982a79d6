"""Structured log lines on stderr, also of libraries, without secrets."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Literal

import structlog

SECRET_NAME = re.compile(
    r"secret|password|passwd|token|authorization|api[_-]?key|cookie|credential|dsn|database_url",
    re.IGNORECASE,
)
SECRET_IN_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s@/]+@", re.IGNORECASE)
SECRET_IN_TEXT = re.compile(r"(?P<name>bearer\s+|x-api-key[:=]\s*)[^\s,;'\"]+", re.IGNORECASE)
REDACTED = "[redacted]"
MAX_DEPTH = 6


def configure_logging(
    process: str, *, form: Literal["json", "console"] = "json", level: str = "info"
) -> None:
    """Set up structlog and the standard library's logging; every line contains `process`."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
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
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for library in ("aiokafka", "faststream", "uvicorn.access"):
        logging.getLogger(library).setLevel(max(root.level, logging.WARNING))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(process=process)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger. Use: `log.info("batch.applied", events=500)`, a name and its values."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


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
