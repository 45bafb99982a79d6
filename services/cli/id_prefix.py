"""Ids on the command line: a whole UUID, or the beginning of one that no other id has."""

import re
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from services.runtime.terminal import Failure

FindIds = Callable[[UUID, UUID], Awaitable[Sequence[UUID]]]
"""Returns ids from the first to the last UUID, both included, at least two if there are as many."""

_HEX_DIGITS = 32
_PREFIX = re.compile(r"[0-9a-f]+")


async def find_id(text: str, find: FindIds, *, what: str, hint: str) -> UUID:
    """Return the only id that begins with `text`; raise `Failure` if there is none or several."""
    digits = text.strip().rstrip("…").replace("-", "").lower()
    if not _PREFIX.fullmatch(digits) or len(digits) > _HEX_DIGITS:
        raise Failure(f"{text!r} is neither an id nor the beginning of one: {hint}")
    first, last = (UUID(digits.ljust(_HEX_DIGITS, fill)) for fill in "0f")
    found = await find(first, last)
    if not found:
        raise Failure(f"there is no {what} {text}: {hint}")
    if len(found) > 1:
        raise Failure(
            f"several ids begin with {text}, such as {found[0]} and {found[1]}: add digits"
        )
    return found[0]
