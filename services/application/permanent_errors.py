"""Errors that a retry of a command cannot cure."""

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError

from events.log.commands import ResultErased
from events.log.errors import (
    AppendRefused,
    IdReused,
    LimitExceeded,
    SubjectErased,
    WrongProperty,
)
from services.deciders.decider import Refused
from services.runtime.validation import describe_validation_error

_STATUSES: dict[type[AppendRefused], int] = {
    IdReused: 422, LimitExceeded: 400, WrongProperty: 404, SubjectErased: 409,
}  # fmt: skip
PERMANENT_ERRORS: tuple[type[Exception], ...] = (Refused, ValidationError, *_STATUSES)
"""A refusal, and the errors of the log and of event classes."""


@contextmanager
def erased_result_as_refusal() -> Iterator[None]:
    """Refuse a repetition of a command whose result was erased: it is not executed again."""
    try:
        yield
    except ResultErased as error:
        raise Refused("result_erased", str(error), 410) from error


def refusal_of(error: Exception) -> Refused:
    """Return the refusal for one of `PERMANENT_ERRORS`; raise any other error."""
    if isinstance(error, AppendRefused):
        return Refused(error.code, str(error), _STATUSES[type(error)])
    if isinstance(error, ValidationError):
        return Refused("invalid", describe_validation_error(error), 400)
    raise error
