"""What a rebuild or a verification comes to, and why one does not begin or does not swap."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from projections.engine.compare import Comparison


class Differs(Exception):
    """The rebuilt rows are not the live rows although both are of one version."""

    def __init__(self, comparisons: Sequence[Comparison]) -> None:
        names = ", ".join(c.table for c in comparisons if not c.equal)
        super().__init__(
            f"live and rebuilt rows differ in {names}: nothing was swapped. Look at the "
            "differences; `--repair` swaps the rebuilt rows in"
        )
        self.comparisons = comparisons


class Incomplete(Exception):
    """This build has other versions of more projections than were named."""

    def __init__(self, names: Collection[str]) -> None:
        super().__init__(
            f"this build also changes {', '.join(sorted(names))}: name them too, or say --all"
        )


class Busy(Exception):
    """Another rebuild or verification is running."""


@dataclass(slots=True)
class Outcome:
    """What a rebuild did."""

    events: int = 0
    comparisons: list[Comparison] = field(default_factory=list)
    swapped: bool = False

    @property
    def equal(self) -> bool:
        return all(comparison.equal for comparison in self.comparisons)
