"""The checkpoint group of the policies."""

from collections.abc import Sequence
from dataclasses import dataclass

from projections.engine.derived_table import DerivedTable


@dataclass(frozen=True, slots=True)
class PolicyGroup:
    """All policies, which share one checkpoint per shard.

    A new or changed policy needs no other version: policies look at new events only.
    """

    name: str = "policies"
    work: str = "policy work"
    version: str = "policies.1"
    tables: Sequence[DerivedTable] = ()


POLICIES = PolicyGroup()
