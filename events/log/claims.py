"""Claims as rows: events make, end and transfer them in the transaction of their append.

The primary key (kind, scope, value) makes a value unique. `owner` is the entity that has it now.
`via` lists the earlier owners since the claim was made, the first of them its origin, one for each
merge that transferred it; it is empty for a claim that was never transferred.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from events.claims import (
    LEAD_CLAIM_KINDS,
    MERGED,
    Claim,
    ClaimMove,
    claims_of,
    move_of,
    releases_of,
)
from events.log.connection import Connection
from events.log.errors import ClaimTaken
from events.record import HOST, NewEvent


async def update_claims(conn: Connection, events: Sequence[NewEvent], contact_key: bytes) -> None:
    """Apply the changes of claims by new events, hashed with this key. Raises `ClaimTaken`.

    Events between two merges are applied together, by their net effect.
    """
    # A merge changes the owner of existing rows. So the claims of earlier events must be written
    # before it, and those of later events after it.
    pending: list[NewEvent] = []
    for event in events:
        if (move := move_of(event.event)) is None:
            pending.append(event)
            continue
        await _apply_net_effect(conn, pending, contact_key)
        pending = []
        await _transfer(conn, move, event.ordering_key)
    await _apply_net_effect(conn, pending, contact_key)


async def _transfer(conn: Connection, move: ClaimMove, scope: UUID) -> None:
    """Transfer the loser's claims to the winner, or return those that came through the loser."""
    merged_id = (MERGED, scope, str(move.loser), move.loser)
    if move.back:
        # A claim came through the loser if the loser is in `via`. Cutting `via` before the loser
        # undoes this merge and the later ones of the same claim, but keeps the earlier ones.
        await conn.execute(
            "UPDATE crm.claims SET owner = $1, via = via[:array_position(via, $1) - 1] "
            "WHERE via @> ARRAY[$1::uuid] AND via <> '{}' AND scope = $2",
            move.loser,
            scope,
        )
        await conn.execute(
            "DELETE FROM crm.claims WHERE (kind, scope, value, owner) = ($1, $2, $3, $4)",
            *merged_id,
        )
        return
    await conn.execute("INSERT INTO crm.claims (kind, scope, value, owner) "
                       "VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", *merged_id)  # fmt: skip
    await conn.execute(
        "UPDATE crm.claims SET owner = $2, via = via || $1::uuid "
        "WHERE owner = $1 AND scope = $3 AND kind = ANY($4)",
        move.loser,
        move.winner,
        scope,
        list(LEAD_CLAIM_KINDS),
    )


async def _apply_net_effect(
    conn: Connection, events: Sequence[NewEvent], contact_key: bytes
) -> None:
    """Apply the net effect of these events on claims: release first, then acquire."""
    final: dict[tuple[str, UUID, UUID], Claim | None] = {}
    releasing: set[UUID] = set()
    for event in events:
        scope = event.ordering_key
        for kind, owner in releases_of(event.event):
            final[kind, scope, owner] = None
            releasing.add(owner)
        claims = _claims_of(event, contact_key)
        final |= {(claim.kind, scope, claim.owner): claim for claim in claims}
    acquired: dict[tuple[str, UUID, str], Claim] = {}
    for (kind, scope, owner), claim in final.items():
        if claim is None:
            continue
        first = acquired.setdefault((kind, scope, claim.value), claim)
        if first.owner != owner and claim.firm:
            raise ClaimTaken(kind, first.owner)
    # Releases come first: one append can pass a value from one entity to another.
    if final:
        await _release(conn, final, releasing)
    if acquired:
        await _acquire(conn, acquired)


def _claims_of(event: NewEvent, contact_key: bytes) -> list[Claim]:
    """Return the claims of an event. Those of the host's writes are not firm.

    The host's row exists already, with an address that another row may have too.
    """
    claims = claims_of(event.event, contact_key)
    is_firm = event.cause.actor != HOST
    return claims if is_firm else [claim._replace(firm=False) for claim in claims]


async def _release(
    conn: Connection, final: Mapping[tuple[str, UUID, UUID], Claim | None], releasing: set[UUID]
) -> None:
    """Delete the claims of these owners and kinds, except for the values that they claim now."""
    rows = [(*key, None if claim is None else claim.value) for key, claim in final.items()]
    await conn.execute(_RELEASE.format("old.owner = new.owner AND old.via = '{}'"),
                       *zip(*rows, strict=True))  # fmt: skip
    # A transferred claim ends with events of its origin, the first of `via`. There are few of
    # them, so the second statement runs only for owners whose events release something.
    origins = [row for row in rows if row[2] in releasing]
    if origins:
        # `@>` repeats the third condition in a form that the index on `via` supports.
        transferred = "old.via @> ARRAY[new.owner] AND old.via <> '{}' AND old.via[1] = new.owner"
        await conn.execute(_RELEASE.format(transferred), *zip(*origins, strict=True))


_RELEASE = """
DELETE FROM crm.claims old USING unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[])
  AS new (kind, scope, owner, value)
WHERE {} AND old.kind = new.kind AND old.scope = new.scope
  AND old.value IS DISTINCT FROM new.value
"""


async def _acquire(conn: Connection, acquired: Mapping[tuple[str, UUID, str], Claim]) -> None:
    """Insert claims; those of a merged lead go to its winner. Raises `ClaimTaken`."""
    rows = sorted(acquired)
    # The update on a conflict changes nothing. It makes RETURNING give the present owner, and it
    # waits for a concurrent transaction with the same value. The order of the rows is the same in
    # all transactions, so that two of them cannot deadlock.
    owners = await conn.fetch(
        """
        WITH requested AS (
          SELECT new.kind, new.scope, new.value, coalesce(merged.owner, new.owner) AS owner,
            coalesce(merged.via, '{}') AS via
          FROM unnest($1::text[], $2::uuid[], $3::text[], $4::uuid[])
            AS new (kind, scope, value, owner)
          LEFT JOIN crm.claims merged ON merged.kind = $5 AND merged.scope = new.scope
            AND merged.value = new.owner::text
        ), present AS (
          INSERT INTO crm.claims AS stored (kind, scope, value, owner, via)
          SELECT kind, scope, value, owner, via FROM requested ORDER BY kind, scope, value
          ON CONFLICT (kind, scope, value) DO UPDATE SET owner = stored.owner
          RETURNING kind, scope, value, owner
        )
        SELECT kind, scope, value, present.owner, present.owner = requested.owner AS is_acquired
        FROM present JOIN requested USING (kind, scope, value)
        """,
        *zip(*rows, strict=True),
        [acquired[row].owner for row in rows],
        MERGED,
    )
    for row in owners:
        claim = acquired[row["kind"], row["scope"], row["value"]]
        if not row["is_acquired"] and claim.firm:
            raise ClaimTaken(claim.kind, row["owner"])
