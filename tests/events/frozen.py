"""Frozen samples: one stored payload of each event in each version. They are never edited."""

from pathlib import Path
from typing import NamedTuple

import orjson

from events.catalog import CATALOG

_DIRECTORY = Path(__file__).parent / "samples"


class Sample(NamedTuple):
    """A payload as a log has stored it."""

    name: str
    version: int
    payload: bytes

    @property
    def fields(self) -> dict[str, object]:
        """Return the payload as field → value."""
        fields: dict[str, object] = orjson.loads(self.payload)
        return fields

    def __str__(self) -> str:
        return f"{self.name}.v{self.version}"


def _read(path: Path) -> Sample:
    name, _, version = path.stem.rpartition(".v")
    return Sample(name, int(version), path.read_bytes())


SAMPLES = [_read(path) for path in sorted(_DIRECTORY.glob("*.json"))]
CURRENT = {
    sample.name: sample
    for sample in SAMPLES
    if sample.name in CATALOG and CATALOG[sample.name].version == sample.version
}
