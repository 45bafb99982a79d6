"""The frozen samples: what each event looked like in the version that wrote it. Never edit one."""

from pathlib import Path
from typing import NamedTuple

import orjson

from events.catalog import CATALOG

_DIRECTORY = Path(__file__).parent / "samples"


class Sample(NamedTuple):
    """One payload as it lies in a log somewhere."""

    name: str
    version: int
    payload: bytes

    @property
    def said(self) -> dict[str, object]:
        found: dict[str, object] = orjson.loads(self.payload)
        return found

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
