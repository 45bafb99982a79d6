"""The result of a rebuild or a verification, and the errors that prevent one."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from projections.engine.compare import Comparison
from projections.engine.standstill import Standstill


class RebuildDifference(Exception):
    """Rebuilt rows differ from live rows although both have the same version."""

    def __init__(self, comparisons: Sequence[Comparison]) -> None:
        names = ", ".join(c.table for c in comparisons if not c.equal)
        super().__init__(
            f"live and rebuilt rows differ in {names}: nothing was swapped. Look at the "
            "differences; `--repair` swaps the rebuilt rows in"
        )
        self.comparisons = comparisons


class IncompleteSelection(Exception):
    """Other projections than the named ones have a new version too."""

    def __init__(self, names: Collection[str]) -> None:
        super().__init__(
            f"this build also changes {', '.join(sorted(names))}: name them too, or use --all"
        )


class RebuildInProgress(Exception):
    """Another rebuild or verification is running."""


@dataclass(slots=True)
class RebuildResult:
    """The result of a rebuild or a verification."""

    events: int = 0
    """Number of folded events."""
    comparisons: list[Comparison] = field(default_factory=list)
    swapped: bool = False
    standstill: Standstill | None = None
    """Set if the live tables are not kept level with the log: they may be equal and old."""
    parked: int = 0
    """Number of parked events. Live and rebuilt rows both lack them, so they compare as equal."""
    outdated: dict[str, str] = field(default_factory=dict)
    """Table → why its live rows are not from this build: `new` or `new version`."""

    @property
    def is_complete(self) -> bool:
        """Return whether the live rows contain every event of the log."""
        return self.equal and not self.parked

    @property
    def equal(self) -> bool:
        return all(comparison.equal for comparison in self.comparisons)
