"""Reads of a property with 100,000 leads among a million stay indexed."""

import pytest

from services.runtime.settings import Settings
from tests.projections.test_reads import read


@pytest.mark.soak
async def test_reads_of_a_property_with_100_000_leads_among_a_million_stay_indexed(
    settings: Settings,
) -> None:
    patient = settings.model_copy(update={"statement_timeout_seconds": 600.0})
    assert await read(patient, leads=1_000_000, in_one=100_000) == []
