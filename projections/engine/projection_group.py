"""A unit: the projections that share a checkpoint, because foreign keys tie their tables."""

from collections.abc import Sequence
from dataclasses import dataclass

from projections.engine.projection import DerivedTable, Projection
from projections.engine.working_set import Work


@dataclass(frozen=True, slots=True)
class ProjectionGroup:
    """Projections in the order their tables depend on each other, parents first."""

    name: str
    projections: tuple[Projection, ...]

    @property
    def version(self) -> str:
        """Which versions of which projections the unit's tables hold, as one word."""
        return " ".join(f"{p.name}.{p.version}" for p in sorted(self.projections, key=_name))

    @property
    def tables(self) -> tuple[DerivedTable, ...]:
        return tuple(table for projection in self.projections for table in projection.tables)

    def work(self) -> Work:
        """An empty working set."""
        return Work(self.projections)

    def only(self, names: Sequence[str], group: str) -> "ProjectionGroup":
        """A unit of some of the projections. Raises `LookupError` for a name it does not have."""
        known = {projection.name for projection in self.projections}
        if unknown := set(names) - known:
            raise LookupError(
                f"there is no projection {', '.join(sorted(unknown))}; "
                f"there are {', '.join(sorted(known))}"
            )
        return ProjectionGroup(group, tuple(p for p in self.projections if p.name in names))


def _name(projection: Projection) -> str:
    return projection.name
