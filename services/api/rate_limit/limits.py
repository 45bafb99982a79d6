"""How often the widget's routes may be asked: by address, by visitor, by key, by contact.

Counted in the database, so for all processes together. What is personal, an address, a visitor, an
e-mail address or a phone number, is counted under its keyed hash.
"""

import functools
import hashlib
import hmac
import math
import time
from typing import NamedTuple

from limits import RateLimitItem, parse_many
from limits.aio.strategies import FixedWindowRateLimiter
from starlette.requests import Request

from services.api.auth.visitors import Visitor
from services.api.context import Core, core_of
from services.api.problems import Problem
from services.api.rate_limit.counters import Counters

PHONE_DIGITS = 10
"""So many of a number's last digits tell it from others, with and without its prefix."""


class Counted(NamedTuple):
    """A limit, as the settings say it, of what it is, and whose count it is."""

    limit: str
    kind: str
    whose: str


async def limit_address(request: Request) -> None:
    """Count a request from its network. Raises `Problem` 429."""
    core = core_of(request)
    await _count(core, [_by_address(core, request)])


async def limit_visit(request: Request, caller: Visitor) -> None:
    """Count a request of a widget's visitor. Raises `Problem` 429."""
    core = core_of(request)
    host_property = str(caller.property_id)
    counted = [_by_address(core, request), Counted(core.settings.limit_key, "key", host_property)]
    if caller.visitor_id:
        whose = f"{host_property}/{caller.visitor_id}"
        counted.append(Counted(core.settings.limit_visitor, "visitor", whose))
    await _count(core, counted)


async def limit(request: Request, caller: Visitor, *contacts: str | None) -> None:
    """Count a request that names ways to reach somebody: e-mail addresses, phone numbers.

    For routes that make or change something about whom they name. Raises `Problem` 429.
    """
    core = core_of(request)
    said = {_plain(one): None for one in contacts if one and one.strip()}
    counted = [
        Counted(core.settings.limit_contact, "contact", f"{caller.property_id}/{one}")
        for one in said
    ]
    await _count(core, counted)


async def _count(core: Core, counted: list[Counted]) -> None:
    wanted = [(item, one) for one in counted for item in _items(one.limit)]
    if not wanted:
        return
    async with core.pool.acquire() as conn:
        limiter = FixedWindowRateLimiter(Counters(conn))
        for item, one in wanted:
            name = (one.kind, _hashed(core.signing_key, one.whose))
            if not await limiter.hit(item, *name):
                ends = (await limiter.get_window_stats(item, *name)).reset_time
                raise _too_many(one.kind, max(1, math.ceil(ends - time.time())))


def _by_address(core: Core, request: Request) -> Counted:
    return Counted(core.settings.limit_address, "address", core.sources.of(request))


def _plain(contact: str) -> str:
    """The same for the ways one address or number is written."""
    if "@" in contact:
        return contact.strip().casefold()
    digits = "".join(character for character in contact if character.isdecimal())
    return digits[-PHONE_DIGITS:] or contact.strip().casefold()


def _too_many(kind: str, seconds: int) -> Problem:
    return Problem(
        429, "rate_limited", f"too many requests of this {kind}: try again in {seconds} s",
        headers={"Retry-After": str(seconds)},
    )  # fmt: skip


def _hashed(key: bytes, whose: str) -> str:
    return hmac.new(key, b"limit/" + whose.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


@functools.cache
def _items(text: str) -> tuple[RateLimitItem, ...]:
    return tuple(parse_many(text)) if text else ()
