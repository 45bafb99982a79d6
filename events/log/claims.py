"""Claiming: what events claim, let go of and hand over, as rows in the append's transaction."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from events.claims import MERGED, OF_A_LEAD, Claim, Move, claims_of, move_of, releases_of
from events.log.connection import Connection
from events.log.errors import ClaimTaken
from events.record import NewEvent


async def claim(conn: Connection, events: Sequence[NewEvent]) -> None:
    """Let go of what the events end, then take what they claim: what they come to counts.

    Where claims move from one owner to another, what is said before and after is kept apart.
    """
    said: list[NewEvent] = []
    for event in events:
        if (move := move_of(event.event)) is None:
            said.append(event)
            continue
        await _let_go_and_take(conn, said)
        said = []
        await _move(conn, move, event.ordering_key)
    await _let_go_and_take(conn, said)


async def _move(conn: Connection, move: Move, scope: UUID) -> None:
    """`via` is the way a claim came, so that each of several merges can be taken back."""
    named = (MERGED, scope, str(move.loser), move.loser)
    if move.back:
        await conn.execute(
            "UPDATE crm.claims SET owner = $1, via = via[:array_position(via, $1) - 1] "
            "WHERE via @> ARRAY[$1::uuid] AND via <> '{}' AND scope = $2",
            move.loser,
            scope,
        )
        await conn.execute(
            "DELETE FROM crm.claims WHERE (kind, scope, value, owner) = ($1, $2, $3, $4)", *named
        )
        return
    await conn.execute("INSERT INTO crm.claims (kind, scope, value, owner) "
                       "VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", *named)  # fmt: skip
    await conn.execute(
        "UPDATE crm.claims SET owner = $2, via = via || $1::uuid "
        "WHERE owner = $1 AND scope = $3 AND kind = ANY($4)",
        move.loser,
        move.winner,
        scope,
        list(OF_A_LEAD),
    )


async def _let_go_and_take(conn: Connection, events: Sequence[NewEvent]) -> None:
    """What all of these come to."""
    last: dict[tuple[str, UUID, UUID], Claim | None] = {}
    ended: set[UUID] = set()
    for event in events:
        scope = event.ordering_key
        for kind, owner in releases_of(event.event):
            last[kind, scope, owner] = None
            ended.add(owner)
        last |= {(claim.kind, scope, claim.owner): claim for claim in claims_of(event.event)}
    made: dict[tuple[str, UUID, str], Claim] = {}
    for (kind, scope, owner), held in last.items():
        if held is None:
            continue
        first = made.setdefault((kind, scope, held.value), held)
        if first.owner != owner and held.firm:
            raise ClaimTaken(kind, first.owner)
    if last:
        await _release(conn, last, ended)
    if made:
        await _take(conn, made)


async def _release(
    conn: Connection, last: Mapping[tuple[str, UUID, UUID], Claim | None], ended: set[UUID]
) -> None:
    """Delete what these owners held of these kinds, but for the value they hold now.

    What was moved to another owner is held by the first of `via`, by few and seldom: those of
    `ended` only are looked for.
    """
    rows = [(*holder, None if claim is None else claim.value) for holder, claim in last.items()]
    await conn.execute(_RELEASE.format("held.owner = now.owner AND held.via = '{}'"),
                       *zip(*rows, strict=True))  # fmt: skip
    given = [row for row in rows if row[2] in ended]
    if given:
        moved = "held.via @> ARRAY[now.owner] AND held.via <> '{}' AND held.via[1] = now.owner"
        await conn.execute(_RELEASE.format(moved), *zip(*given, strict=True))


_RELEASE = """
DELETE FROM crm.claims held USING unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[])
  AS now (kind, scope, owner, value)
WHERE {} AND held.kind = now.kind AND held.scope = now.scope
  AND held.value IS DISTINCT FROM now.value
"""


async def _take(conn: Connection, made: Mapping[tuple[str, UUID, str], Claim]) -> None:
    """What a merged lead claims is its winner's at once. Raises `ClaimTaken` where a firm claim is
    another's."""
    rows = sorted(made)
    taken = await conn.fetch(
        """
        WITH wanted AS (
          SELECT said.kind, said.scope, said.value, coalesce(merged.owner, said.owner) AS owner,
            coalesce(merged.via, '{}') AS via
          FROM unnest($1::text[], $2::uuid[], $3::text[], $4::uuid[])
            AS said (kind, scope, value, owner)
          LEFT JOIN crm.claims merged ON merged.kind = $5 AND merged.scope = said.scope
            AND merged.value = said.owner::text
        ), taken AS (
          INSERT INTO crm.claims AS held (kind, scope, value, owner, via)
          SELECT kind, scope, value, owner, via FROM wanted ORDER BY kind, scope, value
          ON CONFLICT (kind, scope, value) DO UPDATE SET owner = held.owner
          RETURNING kind, scope, value, owner
        )
        SELECT kind, scope, value, taken.owner, taken.owner = wanted.owner AS mine
        FROM taken JOIN wanted USING (kind, scope, value)
        """,
        *zip(*rows, strict=True),
        [made[row].owner for row in rows],
        MERGED,
    )
    for row in taken:
        claim = made[row["kind"], row["scope"], row["value"]]
        if not row["mine"] and claim.firm:
            raise ClaimTaken(claim.kind, row["owner"])
