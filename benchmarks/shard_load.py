"""Simulation of the load of shards and projectors: `python -m benchmarks.shard_load`.

A property sends all its events to one shard, and a projector owns whole shards. So the busiest
projector limits the rate. The simulation says how much of the work of N projectors is used, for
properties whose sizes follow Zipf's law.
"""

import random
import statistics
from collections.abc import Sequence
from uuid import UUID

from rich.console import Console
from rich.table import Table

from events.log.shard import SHARDS, shard_of

PROPERTIES = (24, 100, 1_000, 10_000)
PROJECTORS = (2, 4, 8, 16, 32, 64)
EXPONENTS = (0.5, 1.0)
"""Exponents of Zipf's law: 0.5 are properties of a similar size, 1.0 has a few large ones."""
SAMPLES = 40


def simulate(properties: int, projectors: int, exponent: float, seed: int = 1) -> float:
    """Return the median share of the projectors' work that is used, between 0 and 1.

    It is the mean load of a projector divided by the largest one: all are as late as the latest.
    """
    chance = random.Random(seed)
    sizes = [1 / rank**exponent for rank in range(1, properties + 1)]
    return statistics.median(_use(sizes, projectors, chance) for _ in range(SAMPLES))


def _use(sizes: Sequence[float], projectors: int, chance: random.Random) -> float:
    loads = [0.0] * projectors
    for size in sizes:
        # A partition has the shards with the same remainder, and a projector whole partitions.
        loads[shard_of(UUID(int=chance.getrandbits(128))) % projectors] += size
    return sum(loads) / projectors / max(loads)


def main() -> None:
    """Print the table."""
    table = Table("properties", "Zipf", *(f"{count} projectors" for count in PROJECTORS))
    for properties in PROPERTIES:
        for exponent in EXPONENTS:
            shares = [simulate(properties, count, exponent) for count in PROJECTORS]
            cells = [f"{share:.2f} ({share * count:.1f} ×)"
                     for share, count in zip(shares, PROJECTORS, strict=True)]  # fmt: skip
            table.add_row(f"{properties:,}", str(exponent), *cells)
    Console().print(table, f"{SHARDS} shards, medians of {SAMPLES} samples")


if __name__ == "__main__":
    main()
