"""Reads of a property with 100,000 of a million leads."""

import pytest

from benchmarks.crowd import insert_crowd
from services.runtime.database import connect
from services.runtime.settings import Settings
from tests.projections.test_reads import find_plan_problems

LEADS, LEADS_OF_PROPERTY = 1_000_000, 100_000


@pytest.mark.soak
@pytest.mark.timeout(0)
async def test_reads_of_a_property_with_100_000_of_a_million_leads_use_indexes(
    settings: Settings, owner_settings: Settings
) -> None:
    slow = {"statement_timeout_seconds": 600.0}
    slow_settings = settings.model_copy(update=slow)
    owner = await connect(owner_settings.model_copy(update=slow), "test", role=None)
    crowd = await insert_crowd(owner, LEADS, LEADS_OF_PROPERTY)
    await owner.close()
    assert await find_plan_problems(slow_settings, crowd, LEADS_OF_PROPERTY) == []
