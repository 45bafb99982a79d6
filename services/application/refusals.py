"""Refusals: what the log and the vocabulary refuse would be refused again, so it is one answer."""

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError

from events.log.errors import IdReused, LimitExceeded, WrongProperty
from services.deciders.decider import Refused


@contextmanager
def as_refusals() -> Iterator[None]:
    """Raises `Refused` for everything that would be refused again."""
    try:
        yield
    except IdReused as error:
        raise Refused(error.code, str(error), 422) from error
    except LimitExceeded as error:
        raise Refused(error.code, str(error), 400) from error
    except WrongProperty as error:
        raise Refused(error.code, str(error), 404) from error
    except ValidationError as error:
        raise Refused("invalid", _problems(error), 400) from error


def _problems(error: ValidationError) -> str:
    """What is wrong, by field, without the values."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found[:5])
