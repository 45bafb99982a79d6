"""Errors that a retry of a command cannot cure."""

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError

from events.log.commands import ResultErased
from events.log.errors import IdReused, LimitExceeded, SubjectErased, WrongProperty
from services.deciders.decider import Refused
from services.runtime.validation import describe_validation_error


@contextmanager
def erased_result_as_refusal() -> Iterator[None]:
    """Refuse a repetition of a command whose result was erased: it is not executed again."""
    try:
        yield
    except ResultErased as error:
        raise Refused("result_erased", str(error), 410) from error


@contextmanager
def permanent_errors_as_refusals() -> Iterator[None]:
    """Turn errors of the log and of event classes that a retry cannot cure into `Refused`."""
    try:
        yield
    except IdReused as error:
        raise Refused(error.code, str(error), 422) from error
    except LimitExceeded as error:
        raise Refused(error.code, str(error), 400) from error
    except WrongProperty as error:
        raise Refused(error.code, str(error), 404) from error
    except SubjectErased as error:
        raise Refused(error.code, str(error), 409) from error
    except ValidationError as error:
        raise Refused("invalid", describe_validation_error(error), 400) from error
