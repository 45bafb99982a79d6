"""Importing lines: which leads are known, and appending the others thousands of facts at a time."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

import asyncpg

from events.log.append import append
from events.log.errors import LogRefused
from events.record import NewEvent, Stream
from services.deciders.decider import Refused
from services.intake.observed import BAD_ROW_ERRORS
from services.lead_import.known_leads import (
    Collision,
    Key,
    claims,
    looked_up,
    owner_of,
    still_to_withdraw,
    take_back,
    withdrawals,
)
from services.lead_import.lines import Line

EVENTS_AT_A_TIME = 5_000


class Result(StrEnum):
    """What became of a line, or would."""

    NEW = "new"
    KNOWN = "known"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Told:
    """A line of the result file."""

    line: int
    external_id: str
    result: Result
    lead_id: UUID | None = None
    events: int = 0
    detail: str = ""


@dataclass(slots=True)
class Totals:
    """What the whole file came to."""

    results: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)


class Importer:
    """Imports lines in chunks: a chunk is a transaction, and one bad line costs only itself."""

    def __init__(self, pool: asyncpg.Pool, *, dry_run: bool) -> None:
        self.pool, self.dry_run = pool, dry_run
        self.totals = Totals()
        self._made: dict[Key, UUID] = {}
        """In a dry run nothing is claimed: what lines before would have claimed is kept here."""
        self._withdrawn: set[UUID] = set()

    async def run(self, lines: Iterator[Line | Told], tell: Callable[[Told], None]) -> None:
        """Import every line in order; `tell` hears of each as soon as that is durable."""
        chunk: list[Line] = []
        size = 0
        for line in lines:
            if isinstance(line, Told):
                self._count(line, tell, ())
                continue
            chunk.append(line)
            size += len(line.recorded_events)
            if size >= EVENTS_AT_A_TIME:
                await self._chunk(chunk, tell)
                chunk, size = [], 0
        await self._chunk(chunk, tell)

    async def _chunk(self, lines: Sequence[Line], tell: Callable[[Told], None]) -> None:
        owners = await self._owners(lines)
        fresh: list[Line] = []
        known: list[tuple[Line, UUID]] = []
        for line in lines:
            try:
                owner = owner_of(line, owners)
            except Collision as collision:
                self._count(_refused(line, str(collision)), tell, ())
                continue
            if owner is not None:
                known.append((line, owner))
            else:
                owners |= dict.fromkeys(claims(line), line.lead.lead_id)
                fresh.append(line)
        if self.dry_run:
            self._made |= {key: line.lead.lead_id for line in fresh for key in claims(line)}
            for line in fresh:
                self._count(_new(line), tell, line.recorded_events)
        else:
            await self._append(fresh, tell)
        self._withdrawn |= {recorded.id for line in fresh for recorded in withdrawals(line)}
        left = await still_to_withdraw(self.pool, known, self._withdrawn)
        for (line, owner), recorded_events in zip(known, left, strict=True):
            await self._known(line, owner, recorded_events, tell)

    async def _known(
        self,
        line: Line,
        owner: UUID,
        recorded_events: Sequence[NewEvent],
        tell: Callable[[Told], None],
    ) -> None:
        """A lead that is known stays as it is, but for the consent that its line withdraws."""
        what = [] if owner == line.lead.lead_id else ["by e-mail, or merged"]
        if recorded_events:
            what.append("consent withdrawn")
        if recorded_events and not self.dry_run:
            try:
                await take_back(self.pool, recorded_events, owner)
            except (Refused, *BAD_ROW_ERRORS) as error:
                self._count(_refused(line, f"consent not withdrawn: {_why(error)}"), tell, ())
                return
        told = Told(
            line.number,
            line.lead.external_id,
            Result.KNOWN,
            owner,
            len(recorded_events),
            ", ".join(what),
        )
        self._count(told, tell, recorded_events)

    async def _append(self, lines: Sequence[Line], tell: Callable[[Told], None]) -> None:
        """Append a chunk; on an error halve it until the guilty line is found."""
        if not lines:
            return
        recorded_events = [recorded for line in lines for recorded in line.recorded_events]
        expected = {Stream("lead", line.lead.lead_id): 0 for line in lines}
        try:
            async with self.pool.acquire() as conn, conn.transaction():
                await append(conn, recorded_events, expected=expected)
        except BAD_ROW_ERRORS as error:
            if len(lines) == 1:
                self._count(_refused(lines[0], _why(error)), tell, ())
                return
            half = len(lines) // 2
            await self._append(lines[:half], tell)
            await self._append(lines[half:], tell)
            return
        for line in lines:
            self._count(_new(line), tell, line.recorded_events)

    async def _owners(self, lines: Sequence[Line]) -> dict[Key, UUID]:
        """Who has what these lines' leads are known by."""
        wanted = sorted({key for line in lines for key in looked_up(line)})
        if not wanted:
            return {}
        rows = await self.pool.fetch(
            "SELECT kind, value, owner FROM crm.claims JOIN unnest($2::text[], $3::text[]) "
            "AS wanted (kind, value) USING (kind, value) WHERE scope = $1",
            lines[0].recorded_events[0].property_id,
            [kind for kind, _ in wanted],
            [value for _, value in wanted],
        )
        found = {key: owner for key in wanted if (owner := self._made.get(key))}
        return found | {(row["kind"], row["value"]): row["owner"] for row in rows}

    def _count(
        self, told: Told, tell: Callable[[Told], None], recorded_events: Sequence[NewEvent]
    ) -> None:
        self.totals.results[told.result.value] += 1
        self.totals.events.update(recorded.event.name for recorded in recorded_events)
        tell(told)


def _new(line: Line) -> Told:
    lead = line.lead
    return Told(line.number, lead.external_id, Result.NEW, lead.lead_id, len(line.recorded_events))


def _refused(line: Line, detail: str) -> Told:
    return Told(line.number, line.lead.external_id, Result.REFUSED, None, 0, detail)


def _why(error: Exception) -> str:
    return f"{error.code}: {error}" if isinstance(error, LogRefused) else repr(error)
