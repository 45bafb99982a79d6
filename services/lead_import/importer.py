"""The importer: find leads that exist already, and append the others in large transactions."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias
from uuid import UUID

import asyncpg

from events.log.append import append
from events.log.errors import AppendRefused
from events.record import NewEvent, Stream
from projections.engine.apply import BAD_ROW_ERRORS
from services.deciders.decider import Refused
from services.lead_import.existing_leads import (
    ClaimKey,
    ExternalIdCollision,
    claims,
    find_existing_lead,
    find_withdrawals,
    identifying_claims,
    withdraw_consents,
    withdrawals,
)
from services.lead_import.line_result import LineResult, LineStatus
from services.lead_import.lines import LeadLine

EVENTS_PER_TRANSACTION = 5_000
PREVIEWED_LEADS = 5


Report: TypeAlias = Callable[[LineResult], None]


@dataclass(slots=True)
class ImportTotals:
    """The numbers of lines by result, and of events by type, of the whole file."""

    results: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)


class Importer:
    """Imports lines in chunks of one transaction each; an invalid line fails alone."""

    def __init__(self, pool: asyncpg.Pool, *, dry_run: bool) -> None:
        self.pool, self.dry_run = pool, dry_run
        self.totals = ImportTotals()
        self.preview: list[LeadLine] = []
        """The first new leads of a dry run."""
        # A dry run writes no claims: the ones that earlier lines would have written are kept here.
        self._dry_claims: dict[ClaimKey, UUID] = {}
        self._withdrawn: set[UUID] = set()

    async def run(self, lines: Iterator[LeadLine | LineResult], report: Report) -> None:
        """Import every line in order; call `report` for each one after its commit."""
        chunk: list[LeadLine] = []
        size = 0
        for line in lines:
            if isinstance(line, LineResult):
                self._count(line, report, ())
                continue
            chunk.append(line)
            size += len(line.new_events)
            if size >= EVENTS_PER_TRANSACTION:
                await self._import_chunk(chunk, report)
                chunk, size = [], 0
        await self._import_chunk(chunk, report)

    async def _import_chunk(self, lines: Sequence[LeadLine], report: Report) -> None:
        owners = await self._find_owners(lines)
        new: list[LeadLine] = []
        existing: list[tuple[LeadLine, UUID]] = []
        for line in lines:
            try:
                owner = find_existing_lead(line, owners)
            except ExternalIdCollision as collision:
                self._count(_refused(line, str(collision)), report, ())
                continue
            if owner is not None:
                existing.append((line, owner))
            else:  # a later line of this chunk may be about the same lead
                owners |= dict.fromkeys(claims(line), line.lead.lead_id)
                new.append(line)
        await self._import_new(new, report)
        self._withdrawn |= {event.id for line in new for event in withdrawals(line)}
        left = await find_withdrawals(self.pool, existing, self._withdrawn)
        for (line, owner), new_events in zip(existing, left, strict=True):
            await self._import_existing(line, owner, new_events, report)

    async def _import_new(self, lines: Sequence[LeadLine], report: Report) -> None:
        if not self.dry_run:
            await self._append(lines, report)
            return
        self._dry_claims |= {key: line.lead.lead_id for line in lines for key in claims(line)}
        self.preview += lines[: PREVIEWED_LEADS - len(self.preview)]
        for line in lines:
            self._count(_new(line), report, line.new_events)

    async def _import_existing(
        self, line: LeadLine, owner: UUID, new_events: Sequence[NewEvent], report: Report
    ) -> None:
        """Leave an existing lead as it is, but withdraw the consents that its line withdraws."""
        details = [] if owner == line.lead.lead_id else ["by e-mail, or merged"]
        if new_events:
            details.append("consent withdrawn")
        if new_events and not self.dry_run:
            try:
                await withdraw_consents(self.pool, new_events, owner)
            except (Refused, AppendRefused, *BAD_ROW_ERRORS) as error:
                detail = f"consent not withdrawn: {_describe(error)}"
                self._count(_refused(line, detail), report, ())
                return
        detail = ", ".join(details)
        result = LineResult.of(line, LineStatus.KNOWN, owner, len(new_events), detail)
        self._count(result, report, new_events)

    async def _append(self, lines: Sequence[LeadLine], report: Report) -> None:
        """Append a chunk; on an error append its halves, until the invalid line is alone."""
        if not lines:
            return
        new_events = [event for line in lines for event in line.new_events]
        expected = {Stream("lead", line.lead.lead_id): 0 for line in lines}
        try:
            async with self.pool.acquire() as conn, conn.transaction():
                await append(conn, new_events, expected=expected)
        except (AppendRefused, *BAD_ROW_ERRORS) as error:
            if len(lines) == 1:
                self._count(_refused(lines[0], _describe(error)), report, ())
                return
            half = len(lines) // 2
            await self._append(lines[:half], report)
            await self._append(lines[half:], report)
            return
        for line in lines:
            self._count(_new(line), report, line.new_events)

    async def _find_owners(self, lines: Sequence[LeadLine]) -> dict[ClaimKey, UUID]:
        """Return the owners of the claims that identify these lines' leads."""
        keys = sorted({key for line in lines for key in identifying_claims(line)})
        if not keys:
            return {}
        rows = await self.pool.fetch(
            "SELECT kind, value, owner FROM crm.claims JOIN unnest($2::text[], $3::text[]) "
            "AS sought (kind, value) USING (kind, value) WHERE scope = $1",
            lines[0].new_events[0].property_id,
            [kind for kind, _ in keys],
            [value for _, value in keys],
        )
        owners = {key: owner for key in keys if (owner := self._dry_claims.get(key))}
        return owners | {(row["kind"], row["value"]): row["owner"] for row in rows}

    def _count(self, result: LineResult, report: Report, new_events: Sequence[NewEvent]) -> None:
        self.totals.results[result.result.value] += 1
        self.totals.events.update(new.event.name for new in new_events)
        report(result)


def _new(line: LeadLine) -> LineResult:
    return LineResult.of(line, LineStatus.NEW, line.lead.lead_id, len(line.new_events))


def _refused(line: LeadLine, detail: str) -> LineResult:
    return LineResult.refused(line.record, line.lead.external_id, detail)


def _describe(error: Exception) -> str:
    return f"{error.code}: {error}" if isinstance(error, AppendRefused) else repr(error)
