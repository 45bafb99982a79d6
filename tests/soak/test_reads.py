"""Reads of a property with 100,000 leads among a million stay indexed."""

import pytest

from benchmarks.crowd import gather
from services.runtime.database import connect
from services.runtime.settings import Settings
from tests.projections.test_reads import complaints_of

LEADS, IN_ONE = 1_000_000, 100_000


@pytest.mark.soak
@pytest.mark.timeout(0)
async def test_reads_of_a_property_with_100_000_leads_among_a_million_stay_indexed(
    settings: Settings,
) -> None:
    patient = settings.model_copy(update={"statement_timeout_seconds": 600.0})
    owner = await connect(patient, "test", role=None)
    crowd = await gather(owner, LEADS, IN_ONE)
    await owner.close()
    assert await complaints_of(patient, crowd, IN_ONE) == []
