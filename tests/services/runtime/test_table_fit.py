"""The fit of the host's tables: its last result is used for a few seconds."""

import asyncpg
import pytest

from services.runtime import table_fit
from services.runtime.table_fit import TableFit, UnfitTables
from tests.conftest import until

DAMAGE = "ALTER TABLE leads ADD COLUMN company text NOT NULL"
STATEMENT = "ALTER TABLE public.leads ALTER COLUMN company DROP NOT NULL"


async def test_a_result_is_used_for_its_time_and_then_checked_again(
    pool: asyncpg.Pool, owner_pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_fit, "FIT_SECONDS", 1.0)
    fit = TableFit(pool)
    await fit.require()
    await owner_pool.execute(DAMAGE)
    await fit.require()  # without a query

    async def is_unfit() -> bool:
        try:
            await fit.require()
        except UnfitTables as error:
            return STATEMENT in str(error)
        return False

    await until(is_unfit)
    await owner_pool.execute(STATEMENT)
    assert await is_unfit(), "this result is used for a time too"

    async def is_fit() -> bool:
        return not await is_unfit()

    await until(is_fit)
