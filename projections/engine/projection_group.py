"""Projection groups: the projections whose tables share one checkpoint per shard."""

from collections.abc import Sequence
from dataclasses import dataclass

from projections.engine.derived_table import DerivedTable
from projections.engine.projection import Projection
from projections.engine.working_set import WorkingSet


@dataclass(frozen=True, slots=True)
class ProjectionGroup:
    """Projections that share checkpoints, because foreign keys connect their tables.

    They are in the order in which the tables depend on each other, parents first.
    """

    name: str
    projections: tuple[Projection, ...]

    @property
    def work(self) -> str:
        return "projection"

    @property
    def version(self) -> str:
        """Return name and version of each projection as one text, for example `leads.2 tours.1`."""
        names = sorted(self.projections, key=lambda projection: projection.name)
        return " ".join(f"{projection.name}.{projection.version}" for projection in names)

    @property
    def tables(self) -> tuple[DerivedTable, ...]:
        return tuple(table for projection in self.projections for table in projection.tables)

    @property
    def erased_subjects(self) -> DerivedTable | None:
        """Return the table of the erased data subjects, if the group has it."""
        return next((table for table in self.tables if table.lists_erased_subjects), None)

    def working_set(self) -> WorkingSet:
        """Return an empty working set."""
        return WorkingSet(self.projections)

    def subset(self, names: Sequence[str], group: str) -> "ProjectionGroup":
        """Return a group of some of the projections. Raise `LookupError` for an unknown name.

        The erased data subjects are always part of it, because all tables depend on them.
        """
        available = {projection.name for projection in self.projections}
        if unknown := set(names) - available:
            raise LookupError(
                f"there is no projection {', '.join(sorted(unknown))}; "
                f"there are {', '.join(sorted(available))}"
            )
        part = [p for p in self.projections if p.name in names or p.table.lists_erased_subjects]
        return ProjectionGroup(group, tuple(part))
