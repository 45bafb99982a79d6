"""Every projection is told by example, in a file of its own."""

from pathlib import Path

from projections.catalog import LIVE

HERE = Path(__file__).parent


def test_every_projection_has_its_examples() -> None:
    missing = [p.name for p in LIVE.projections if not (HERE / f"test_{p.name}.py").exists()]
    assert missing == []
