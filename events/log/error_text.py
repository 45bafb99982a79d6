"""Texts of errors for logs, tables and health checks: they contain no value of a row or a request.

A message of an error may quote what a person wrote: PostgreSQL quotes the text that is no number,
pydantic the input, `KeyError` the key. So a message is shown only where its source is known not to
quote values. Of any other error, the type and the place in the code are shown.
"""

import re
from pathlib import PurePath
from traceback import extract_tb

import asyncpg
from pydantic import ValidationError

from events.invalid_fields import name_invalid_fields

_OWN_PACKAGES = ("events.", "projections.", "services.", "migrations.")
_LIBRARIES = ("aiokafka.", "asyncpg.", "jwt.")
"""Libraries whose messages name servers, topics, keys and states of a protocol."""
_DATA_ERRORS = ("22", "P0")
"""Classes of errors whose messages quote values: of data, and of RAISE in functions."""
_RAISED = re.compile(r"PL/pgSQL function (?P<function>[\w.]+)\(.*\) line (?P<line>\d+) at RAISE")
"""The context of an error of a function. Functions of the host may put values into messages."""
_OF_SYSTEM = (OSError, EOFError, NotImplementedError)


def describe_error(error: BaseException) -> str:
    """Return type, message (if it cannot contain a value) and notes of an error in one line."""
    notes: list[str] = getattr(error, "__notes__", [])
    return "; ".join([_describe(error), *notes])


def describe_chain(error: BaseException) -> str:
    """Return an error and its causes, the last error first, with their frames and no values."""
    lines: list[str] = []
    for part in _causes(error):
        frames = extract_tb(part.__traceback__)
        lines.append(describe_error(part))
        lines += [f"  {frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return "\n".join(lines)


def _describe(error: BaseException) -> str:
    kind = type(error).__name__
    if isinstance(error, ValidationError):
        return f"{kind}: {name_invalid_fields(error)}"
    if isinstance(error, asyncpg.PostgresError):
        return f"{kind}: {_describe_postgres(error)}"
    text = " ".join(str(error).split())
    if not text:
        return kind
    if _is_safe(error):
        return f"{kind}: {text}"
    return f"{kind} in {_place(error)}, its message is hidden"


def _is_safe(error: BaseException) -> bool:
    module = type(error).__module__
    if module.startswith((*_OWN_PACKAGES, *_LIBRARIES)):
        return True
    # Errors of smtplib are OSErrors too, and quote the recipient.
    return isinstance(error, _OF_SYSTEM) and module in ("builtins", "socket", "ssl", "select")


def _describe_postgres(error: asyncpg.PostgresError) -> str:
    """Return the message without its detail, and the names of table, column and constraint."""
    names = [
        f"{what} {name}"
        for what in ("table", "column", "constraint")
        if (name := getattr(error, f"{what}_name", None))
    ]
    state = error.sqlstate or ""
    raised = _RAISED.match(getattr(error, "context", None) or "")
    if raised:
        message = f"raised by {raised['function']} line {raised['line']} (SQLSTATE {state})"
    elif state.startswith(_DATA_ERRORS) or not error.args:
        message = f"its message is hidden (SQLSTATE {state})"
    else:
        message = error.args[0].splitlines()[0]
    return ", ".join([message, *names])


def _causes(error: BaseException) -> list[BaseException]:
    """Return the error, the parts of a group, and what each of them was raised from, once each."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        part = waiting.pop()
        if part is None or any(part is known for known in found):
            continue
        found.append(part)
        waiting.append(part.__cause__ or (None if part.__suppress_context__ else part.__context__))
        if isinstance(part, BaseExceptionGroup):
            waiting += part.exceptions
    return found


def _place(error: BaseException) -> str:
    """Return file and line of the innermost frame, such as `projections/leads.py:93`."""
    frames = extract_tb(error.__traceback__)
    if not frames:
        return "an unknown place"
    last = frames[-1]
    return f"{'/'.join(PurePath(last.filename).parts[-2:])}:{last.lineno}"
