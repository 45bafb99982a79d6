"""The rules of runs in a few plain lines, for a comparison with the runs of the log.

Time is the model's `now`. A step that is a message is sent, or skipped if it is late by more than
`USEFUL_HOURS`. The other steps only wait.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from events.leads import LeadStatus

HOUR = timedelta(hours=1)
USEFUL_HOURS = 24
MESSAGES = "ace"
"""The ids of the steps that are messages."""


class VersionModel(NamedTuple):
    """A definition version: its steps as (id, delay in hours), and the statuses that end a run."""

    steps: tuple[tuple[str, int], ...]
    exits: frozenset[LeadStatus]

    def find(self, step_id: str) -> int | None:
        return next((n for n, (key, _) in enumerate(self.steps) if key == step_id), None)


@dataclass
class LeadModel:
    """A lead, and the lead into which it was merged."""

    status: LeadStatus = LeadStatus.NEW
    winner: "LeadModel | None" = None


@dataclass
class RunModel:
    """A run: `due` while it is active, `remaining` seconds while it is paused, `end` at last."""

    lead: LeadModel
    version: int
    due: datetime | None
    step: int = 0
    remaining: int | None = None
    end: str | None = None
    """`completed`, `stopped`, `merged`, or the status of the lead that ended it."""
    sent: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    @property
    def status(self) -> str:
        if self.end is None:
            return "active" if self.due else "paused"
        if self.end in ("completed", "stopped"):
            return self.end
        return "stopped" if self.end == "merged" else "converted"

    def finish(self, end: str) -> None:
        if self.end is None:
            self.end, self.due, self.remaining = end, None, None


@dataclass
class WorkflowModel:
    """A workflow definition with its versions, its runs, and the status changes not yet seen."""

    now: datetime
    versions: list[VersionModel]
    runs: list[RunModel] = field(default_factory=list)
    unseen: list[tuple[LeadModel, LeadStatus, int]] = field(default_factory=list)
    """Status changes that no policy has seen: lead, status, number of runs at the change."""

    def version_of(self, run: RunModel) -> VersionModel:
        return self.versions[run.version - 1]

    def enrol(self, lead: LeadModel) -> str | None:
        """Start a run in the newest version, or return the code of the refusal."""
        newest = self.versions[-1]
        if lead.status in newest.exits:
            return "exit_status"
        if any(run.end is None and run.lead is lead for run in self.runs):
            return "run_live"
        due = self.now + newest.steps[0][1] * HOUR
        self.runs.append(RunModel(lead, len(self.versions), due))
        return None

    def work(self) -> None:
        """Do all steps that are due, at the present time."""
        for run in self.runs:
            while run.due is not None and run.due <= self.now:
                self._reach_step(run, run.due)

    def _reach_step(self, run: RunModel, due: datetime) -> None:
        version = self.version_of(run)
        if run.lead.status in version.exits:
            run.finish(run.lead.status)
            return
        key = version.steps[run.step][0]
        if key in MESSAGES:
            is_late = self.now > due + USEFUL_HOURS * HOUR
            (run.skipped if is_late else run.sent).append(key)
        run.step += 1
        if run.step == len(version.steps):
            run.finish("completed")
        else:
            run.due = self.now + version.steps[run.step][1] * HOUR

    def pause(self, run: RunModel) -> None:
        if run.due is not None:
            left = (run.due - self.now).total_seconds()
            run.due, run.remaining = None, max(0, int(left))

    def resume(self, run: RunModel) -> None:
        if run.remaining is not None:
            run.due, run.remaining = self.now + timedelta(seconds=run.remaining), None

    def change_status(self, lead: LeadModel, status: LeadStatus) -> None:
        """Change the status; a lead never leaves the status `leased`."""
        if lead.status not in (status, LeadStatus.LEASED):
            lead.status = status
            self.unseen.append((lead, status, len(self.runs)))

    def see_changes(self) -> None:
        """Let each status change end the runs that the lead then had, by their own version."""
        for lead, status, count in self.unseen:
            for run in self.runs[:count]:
                if run.lead is lead and status in self.version_of(run).exits:
                    run.finish(status)
        self.unseen.clear()

    def count_moves(self, to_version: int) -> dict[tuple[int, str, str | None], int]:
        """Return the number of live runs of other versions by (version, step, new step)."""
        counts: dict[tuple[int, str, str | None], int] = {}
        for run in self.runs:
            if run.end is None and run.version != to_version:
                key = self.version_of(run).steps[run.step][0]
                is_known = self.versions[to_version - 1].find(key) is not None
                place = (run.version, key, key if is_known else None)
                counts[place] = counts.get(place, 0) + 1
        return counts

    def move(self, to_version: int) -> None:
        """Let each live run go on at the step with the same id, with the same rest of the delay."""
        for run in self.runs:
            target = self.versions[to_version - 1].find(self.version_of(run).steps[run.step][0]) \
                if run.end is None else None  # fmt: skip
            if target is not None:
                run.version, run.step = to_version, target

    def restart(self, run: RunModel, step: int) -> None:
        """Let a live run go on at a step of its version, at once; one that is paused stays so."""
        if run.end is None and step < len(self.version_of(run).steps):
            run.step = step
            if run.due is None:
                run.remaining = 0
            else:
                run.due = self.now

    def merge(self, loser: LeadModel, winner: LeadModel) -> None:
        """Stop the runs of the loser. The winner keeps its status and its runs."""
        loser.winner = winner
        for run in self.runs:
            if run.lead is loser:
                run.finish("merged")
