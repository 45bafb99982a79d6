"""Rate limits of the widget routes: per network, visitor, widget key and contact.

Counters are stored under a keyed hash, because networks, visitor ids, e-mail addresses and phone
numbers are personal data.
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
from services.api.context import ApiContext, context_of
from services.api.problems import Problem
from services.api.rate_limit.counters import Counters

COMPARED_PHONE_DIGITS = 10
"""The last digits of a phone number that are compared.

They are the same whether the number was written with its country prefix or without.
"""


class LimitedSubject(NamedTuple):
    """A limit as the settings write it, its kind, and the name that it counts."""

    limit: str
    kind: str
    name: str


async def limit_network(request: Request) -> None:
    """Count a request against the limit of its network. Raise 429."""
    context = context_of(request)
    await _count(context, [_network_subject(context, request)])


async def limit_visitor(request: Request, caller: Visitor) -> None:
    """Count a request against the limits of its network, widget key and visitor. Raise 429."""
    context = context_of(request)
    property_id = str(caller.property_id)
    subjects = [
        _network_subject(context, request),
        LimitedSubject(context.settings.limit_key, "key", property_id),
    ]
    if caller.visitor_id:
        name = f"{property_id}/{caller.visitor_id}"
        subjects.append(LimitedSubject(context.settings.limit_visitor, "visitor", name))
    await _count(context, subjects)


async def limit_contacts(request: Request, caller: Visitor, *contacts: str | None) -> None:
    """Count a request that names e-mail addresses or phone numbers. Raise 429.

    For routes that create or change something about the person with this contact: without the
    limit, a client with many visitor ids could overwrite one lead again and again.
    """
    context = context_of(request)
    names = dict.fromkeys(_comparable(text) for text in contacts if text and text.strip())
    subjects = [
        LimitedSubject(context.settings.limit_contact, "contact", f"{caller.property_id}/{name}")
        for name in names
    ]
    await _count(context, subjects)


async def _count(context: ApiContext, subjects: list[LimitedSubject]) -> None:
    pairs = [(item, subject) for subject in subjects for item in _parse_limits(subject.limit)]
    if not pairs:
        return
    async with context.pool.acquire() as conn:
        limiter = FixedWindowRateLimiter(Counters(conn))
        for item, subject in pairs:
            key = (subject.kind, _keyed_hash(context.signing_key, subject.name))
            # Counted and tested in one step: a refused request counts too, so a client that does
            # not wait stays refused.
            if not await limiter.hit(item, *key):
                ends_at = (await limiter.get_window_stats(item, *key)).reset_time
                raise _rate_limited(subject.kind, max(1, math.ceil(ends_at - time.time())))


def _network_subject(context: ApiContext, request: Request) -> LimitedSubject:
    return LimitedSubject(
        context.settings.limit_address, "address", context.networks.network_of(request)
    )


def _comparable(contact: str) -> str:
    """Return the same text for all spellings of one e-mail address or phone number."""
    if "@" in contact:
        return contact.strip().casefold()
    digits = "".join(character for character in contact if character.isdecimal())
    return digits[-COMPARED_PHONE_DIGITS:] or contact.strip().casefold()


def _rate_limited(kind: str, seconds: int) -> Problem:
    return Problem(
        429, "rate_limited", f"too many requests of this {kind}: try again in {seconds} s",
        headers={"Retry-After": str(seconds)},
    )  # fmt: skip


def _keyed_hash(key: bytes, name: str) -> str:
    return hmac.new(key, b"limit/" + name.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


@functools.cache
def _parse_limits(text: str) -> tuple[RateLimitItem, ...]:
    return tuple(parse_many(text)) if text else ()
