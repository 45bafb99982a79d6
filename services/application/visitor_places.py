"""Places that visitors took: rows beside the events, for the limits of visitors and networks.

The rows name visitors and networks by a keyed hash. They are counted and written in the transaction
of the hold or the booking, under one lock per property. Without the lock, parallel requests for
different days would count the same rows and all be accepted.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from events.log.connection import Connection
from events.log.secret_keys import load_secret_keys
from events.record import Stream
from services.application.unit_of_work import UnitOfWork
from services.deciders import widgets
from services.deciders.visitor_limits import (
    FutureTours,
    HeldPlaces,
    VisitorLimits,
    parse_visitor_limits,
)

PURGE_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class VisitorIdentity:
    """The identity of a visitor; `visitor_hash` is the keyed hash of the visitor's id.

    `session_id` is the id that the client sent. `conversations` are those of the session.
    `proven_session` is the session of which the client has a valid session token. `network` is
    where the request came from.
    """

    visitor_hash: str | None
    session_id: UUID | None = None
    conversations: tuple[UUID, ...] = ()
    proven_session: UUID | None = None
    network: str | None = None


@dataclass(frozen=True, slots=True)
class PlaceTaker:
    """A visitor who takes a place: hashes of the visitor id and of the network, and the session."""

    visitor: str | None
    session_id: UUID | None
    network: str | None


async def lock_places(uow: UnitOfWork) -> None:
    """Wait until no other visitor takes a place at this property. Call it before other locks."""
    await uow.lock(Stream("visitor_places", uow.scope.property_id))


async def identify_taker(uow: UnitOfWork, visitor: VisitorIdentity) -> PlaceTaker:
    """Return the hashes under which the places of a visitor are counted."""
    key, *_ = await load_secret_keys(uow.conn, "visitor_id")

    def hash_of(kind: str, name: str | None) -> str | None:
        return name and hmac.new(key.key, f"{kind}/{name}".encode(), hashlib.sha256).hexdigest()

    return PlaceTaker(
        hash_of("visitor", visitor.visitor_hash), visitor.session_id,
        hash_of("network", visitor.network),
    )  # fmt: skip


async def load_limits(uow: UnitOfWork) -> VisitorLimits:
    """Return the limits of the property by the present settings of its widget."""
    widget = await uow.load(widgets.decider, uow.scope.property_id)
    return parse_visitor_limits(widget.settings)


async def count_holds(uow: UnitOfWork, taker: PlaceTaker, except_hold: UUID) -> HeldPlaces:
    """Return the numbers of live holds of the property."""
    (row,) = await uow.conn.fetch(
        """
        SELECT count(*) FILTER (WHERE visitor = $4) AS of_visitor,
          count(*) FILTER (WHERE session_id = $5) AS of_session,
          count(*) FILTER (WHERE network = $6) AS of_network, count(*) AS of_property
        FROM crm.visitor_places
        WHERE property_id = $1 AND ends_at > $2 AND place_id <> $3 AND lead_id IS NULL
        """,
        uow.scope.property_id, uow.scope.at, except_hold,
        taker.visitor, taker.session_id, taker.network,
    )  # fmt: skip
    return HeldPlaces(**row)


async def count_tours(
    uow: UnitOfWork, taker: PlaceTaker, lead_id: UUID, *, is_owner: bool
) -> FutureTours:
    """Return the numbers of future tours that visitors booked and nobody cancelled.

    For the owner of the lead, only tours count that an owner booked: a stranger who books with the
    address of a person must not use up the tours of that person.
    """
    (row,) = await uow.conn.fetch(
        """
        SELECT count(*) FILTER (WHERE lead_id = $3 AND (is_owner OR NOT $4)) AS of_contact,
          count(*) FILTER (WHERE network = $5) AS of_network
        FROM crm.visitor_places JOIN crm.tour_times ON tour_id = place_id
        WHERE property_id = $1 AND lead_id IS NOT NULL AND starts_at > $2
        """,
        uow.scope.property_id, uow.scope.at, lead_id, is_owner, taker.network,
    )  # fmt: skip
    return FutureTours(**row)


async def store_hold(
    uow: UnitOfWork, taker: PlaceTaker, hold_id: UUID, expires_at: datetime
) -> None:
    """Store the taker of a hold; an earlier hold of the same slot is replaced."""
    await uow.conn.execute(
        "INSERT INTO crm.visitor_places (place_id, property_id, visitor, session_id, network, "
        "ends_at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (place_id) DO UPDATE SET "
        "session_id = excluded.session_id, network = excluded.network, ends_at = excluded.ends_at",
        hold_id, uow.scope.property_id, taker.visitor, taker.session_id, taker.network, expires_at,
    )  # fmt: skip


async def store_tour(
    uow: UnitOfWork,
    taker: PlaceTaker,
    tour_id: UUID,
    lead_id: UUID,
    starts_at: datetime,
    *,
    is_owner: bool,
    instead_of: UUID | None,
) -> None:
    """Store who booked a tour, and remove the hold that the tour replaces."""
    if instead_of is not None:
        await uow.conn.execute("DELETE FROM crm.visitor_places WHERE place_id = $1", instead_of)
    await uow.conn.execute(
        "INSERT INTO crm.visitor_places (place_id, property_id, visitor, session_id, network, "
        "lead_id, is_owner, ends_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        tour_id, uow.scope.property_id, taker.visitor, taker.session_id, taker.network,
        lead_id, is_owner, starts_at,
    )  # fmt: skip


async def purge(conn: Connection, limit: int = PURGE_AT_ONCE) -> int:
    """Delete at most `limit` rows of holds and tours that are a day in the past; return how many.

    A tour that an agent moved to a later time is deleted too: the limits do not count it.
    """
    status: str = await conn.execute(
        "DELETE FROM crm.visitor_places WHERE place_id IN (SELECT place_id FROM crm.visitor_places "
        "WHERE ends_at < clock_timestamp() - interval '1 day' LIMIT $1)",
        limit,
    )
    return int(status.rpartition(" ")[2])
