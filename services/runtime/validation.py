"""The text that describes validation errors of pydantic."""

from collections.abc import Sequence

from pydantic import ValidationError

MAX_PROBLEMS = 5


def describe_validation_error(error: ValidationError) -> str:
    """Return the first problems as "field: problem; …", without the values that were sent."""
    problems = error.errors(include_input=False, include_url=False, include_context=False)
    return describe_problems([(".".join(map(str, p["loc"])), p["msg"]) for p in problems])


def describe_problems(problems: Sequence[tuple[str, str]]) -> str:
    """Return the first problems as "field: problem; …". A problem is (field or "", text)."""
    texts = [f"{field or 'data'}: {text}" for field, text in problems]
    more = len(texts) - MAX_PROBLEMS
    return "; ".join(texts[:MAX_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")
