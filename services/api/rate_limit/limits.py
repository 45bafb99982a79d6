"""Rate limits per network, visitor, widget key, contact and API key.

Counters are stored under a keyed hash, because networks, visitor ids, e-mail addresses and phone
numbers are personal data.
"""

import functools
import hashlib
import hmac
import math
import time
from typing import NamedTuple
from uuid import UUID

from limits import RateLimitItem, parse_many
from starlette.requests import Request

from events.log.connection import Connection
from events.record import Stream
from services.api.auth.visitors import Visitor
from services.api.context import ApiContext, context_of
from services.api.problems import Problem
from services.api.rate_limit.contacts import comparable_contact
from services.api.rate_limit.counters import Counted, count_request
from services.application.client_ids import choose_id, load_id_owners
from services.application.leads import owns_lead
from services.application.unit_of_work import UnitOfWork
from services.deciders import leads, sessions


class LimitedSubject(NamedTuple):
    """A limit as the settings write it, its kind, and the name that it counts."""

    limit: str
    kind: str
    name: str


async def limit_network(request: Request) -> None:
    """Count a request against the limit of its network. Raise 429."""
    context = context_of(request)
    hash_key = await context.keys.load_newest("rate_limit")
    async with context.pool.acquire() as conn:
        await _count(conn, hash_key, _network_subject(context, request))


async def limit_api_client(request: Request, api_key_id: UUID) -> None:
    """Count a request against the limit of its API key. Raise 429."""
    context = context_of(request)
    hash_key = await context.keys.load_newest("rate_limit")
    subject = LimitedSubject(context.settings.limit_api_key, "api_key", str(api_key_id))
    async with context.pool.acquire() as conn:
        await _count(conn, hash_key, subject)


async def limit_visitor(request: Request, caller: Visitor) -> None:
    """Count a request against the limits of its network, widget key and visitor. Raise 429.

    A client could invent a visitor id for each request, or send none. So the first request of an
    id in a window, and every request without one, also count against the visitor limit in the name
    of the network. A session token proves that the visitor is not new.
    """
    context = context_of(request)
    settings, property_id = context.settings, caller.property_id
    network = LimitedSubject(
        settings.limit_visitor, "network", f"{property_id}/visitors of {caller.network}"
    )
    visitor = caller.visitor_hash or caller.verified_session_id
    hash_key = await context.keys.load_newest("rate_limit")
    subjects = [
        LimitedSubject(settings.limit_address, "address", caller.network),
        LimitedSubject(settings.limit_key, "key", str(property_id)),
    ]
    if visitor is not None:
        name = f"{property_id}/{visitor}"
        subjects.append(LimitedSubject(settings.limit_visitor, "visitor", name))
    else:
        subjects.append(network)
    async with context.pool.acquire() as conn:
        hits = await _count(conn, hash_key, *subjects)
        if visitor is not None and hits[-1] == 1 and caller.verified_session_id is None:
            await _count(conn, hash_key, network)


async def limit_contacts(
    request: Request, caller: Visitor, session_id: UUID | None, *contacts: str | None
) -> None:
    """Count a request that names e-mail addresses or phone numbers. Raise 429.

    For routes that create or change something about the person with this contact: without the
    limit, a client with many visitor ids could send one lead many notes. A contact is counted for
    each network, so that nobody can lock out the person by naming the address, and much more
    generously for the session that owns the lead with this contact.
    """
    context = context_of(request)
    names = dict.fromkeys(comparable_contact(text) for text in contacts if text and text.strip())
    if not names:
        return
    hash_key = await context.keys.load_newest("rate_limit")
    async with context.pool.acquire() as conn:
        owned = await _owned_contacts(conn, context, caller, session_id)
        for name in names:
            limit, holder = context.settings.limit_contact, caller.network
            if name in owned:
                limit, holder = context.settings.limit_own_contact, f"session/{session_id}"
            subject = LimitedSubject(limit, "contact", f"{caller.property_id}/{holder}/{name}")
            await _count(conn, hash_key, subject)


async def _owned_contacts(
    conn: Connection, context: ApiContext, caller: Visitor, session_id: UUID | None
) -> set[str]:
    """Return the contacts of the lead that the caller's session owns, in comparable form."""
    if session_id is None:
        return set()
    named = Stream("session", session_id)
    owners = await load_id_owners(conn, [named])
    session_id = choose_id(caller.property_id, named, owners.get(named))
    scope = caller.scope(caller.property_id, context.clock.now())
    uow = UnitOfWork(conn, scope, None)  # type: ignore[arg-type]
    session = (await uow.load(sessions.decider, session_id)).sessions.get(session_id)
    if session is None or session.lead_id is None:
        return set()
    if not caller.owns(session_id, session.visitor_hash):
        return set()
    if not await owns_lead(uow, session_id, session.lead_id):
        return set()
    details = (await uow.load(leads.decider, session.lead_id)).details
    values = (details.get("email"), details.get("phone"))
    return {comparable_contact(value) for value in values if value}


async def _count(conn: Connection, hash_key: bytes, *subjects: LimitedSubject) -> list[int]:
    """Count a request against all limits of the subjects, with one statement.

    Return for each subject the number in the window with most requests. Raise 429 above a limit;
    later limits are not counted then. A refused request counts too, so a client that does not wait
    stays refused.
    """
    counted = [
        (number, Counted(
            item.key_for(subject.kind, _keyed_hash(hash_key, subject.name)), item.amount,
            item.get_expiry(),
        ))
        for number, subject in enumerate(subjects) for item in _parse_limits(subject.limit)
    ]  # fmt: skip
    most = [0] * len(subjects)
    if not counted:
        return most
    counts = await count_request(conn, [counter for _, counter in counted])
    for (number, counter), count in zip(counted, counts, strict=False):
        most[number] = max(most[number], count.hits)
        if count.hits > counter.most:
            raise too_many_requests(subjects[number].kind, count.ends_at.timestamp() - time.time())
    return most


def _network_subject(context: ApiContext, request: Request) -> LimitedSubject:
    return LimitedSubject(
        context.settings.limit_address, "address", context.networks.network_of(request)
    )


def too_many_requests(kind: str, remaining_seconds: float) -> Problem:
    """Return the refusal of a request in a window that ends after the remaining seconds.

    `Retry-After` has whole seconds, and at least one: a clock may differ from the database's.
    """
    seconds = max(1, math.ceil(remaining_seconds))
    return Problem(
        429, "rate_limited",
        f"too many requests of this {kind.replace('_', ' ')}: try again in {seconds} s",
        headers={"Retry-After": str(seconds)},
    )  # fmt: skip


def _keyed_hash(key: bytes, name: str) -> str:
    return hmac.new(key, name.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


@functools.cache
def _parse_limits(text: str) -> tuple[RateLimitItem, ...]:
    return tuple(parse_many(text)) if text else ()
