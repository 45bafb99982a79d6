"""Fixtures of the intake's tests."""

import asyncpg
import pytest

from services.intake.admission import Admission
from services.intake.settings import IntakeSettings
from services.runtime.clock import Clock
from tests.world import World, make_world


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool, properties=2)


@pytest.fixture
def admission(pool: asyncpg.Pool) -> Admission:
    return Admission(pool, IntakeSettings(), Clock())
