"""The text that names the invalid fields of a payload, without the values in them."""

from pydantic import ValidationError

MAX_PROBLEMS = 5


def name_invalid_fields(error: ValidationError) -> str:
    """Return the first problems as "field: kind of the problem; …".

    The messages of pydantic are left out: those of own validators may quote the value.
    """
    problems = error.errors(include_input=False, include_url=False, include_context=False)
    texts = [_name(_path(p["loc"]), p["type"]) for p in problems]
    more = len(texts) - MAX_PROBLEMS
    return "; ".join(texts[:MAX_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")


def _path(location: tuple[int | str, ...]) -> str:
    """Return the field and the numbers of list items. A name within the field can be a value."""
    return ".".join(str(part) for at, part in enumerate(location) if at == 0 or type(part) is int)


def _name(field: str, kind: str) -> str:
    # The name of an unknown field is an input too.
    return kind if kind == "extra_forbidden" or not field else f"{field}: {kind}"
