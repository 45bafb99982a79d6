"""Queries of the console use indexes under row level security; see also `tests/soak/`."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from benchmarks.crowd import Crowd, insert_crowd
from benchmarks.reading import make_queries
from projections.scores import TABLE
from services.api.auth.console_users import ConsoleUser
from services.api.auth.row_security import assume_role
from services.runtime.database import connect, open_engine
from services.runtime.settings import Settings
from tests.query_plans import Scan, find_problems, run_and_read_scans

LEADS, IN_LARGE_PROPERTY = 20_000, 1_000
LARGE_TABLE_ROWS = 5_000
"""Tables with more rows must not be read completely."""


async def test_no_query_reads_more_rows_than_those_of_its_property(
    settings: Settings,
    owner_settings: Settings,
) -> None:
    """Without the index, the problem is found."""
    owner = await connect(owner_settings, "test", role=None)
    crowd = await insert_crowd(owner, LEADS, IN_LARGE_PROPERTY)
    assert await find_plan_problems(settings, crowd, IN_LARGE_PROPERTY) == []
    await owner.execute("DROP INDEX idx_lead_scores_property")
    await owner.close()
    problems = await find_plan_problems(settings, crowd, IN_LARGE_PROPERTY)
    assert problems
    assert all(problem.startswith("insights: trend") for problem in problems), problems


def test_a_wrong_estimate_is_found() -> None:
    inaccurate = Scan("Index Scan", "leads", 10, 5_000, 0, False)
    assert find_problems("query", [inaccurate], {"leads": 1}, 10_000)
    accurate = Scan("Index Scan", "leads", 100, 5_000, 0, False)
    assert not find_problems("query", [accurate], {"leads": 1}, 10_000)


async def find_plan_problems(settings: Settings, crowd: Crowd, in_large_property: int) -> list[str]:
    """Run all queries on the large property of a crowd, and return problems of their plans."""
    engine = open_engine(settings, "test")
    problems: list[str] = []
    member = ConsoleUser(crowd.member, crowd.org_id, "viewer")
    async with engine.begin() as conn:
        await conn.exec_driver_sql(assume_role(member.claims))
        assert await conn.scalar(text("SELECT current_user")) == "authenticated"
        large_tables = await _load_large_tables(conn)
        assert TABLE.name in large_tables
        for name, query in make_queries(crowd).items():
            rows = (await conn.execute(query)).all()
            assert rows, f"{name} returns no row"
            problems += find_problems(
                name, await run_and_read_scans(conn, query), large_tables, 3 * in_large_property
            )
    await engine.dispose()
    return problems


async def _load_large_tables(conn: AsyncConnection) -> dict[str, int]:
    """Return table → estimated rows."""
    rows = await conn.execute(text(
        "SELECT relname, reltuples FROM pg_class WHERE relkind = 'r' AND reltuples > :rows"
    ), {"rows": LARGE_TABLE_ROWS})  # fmt: skip
    return {row.relname: int(row.reltuples) for row in rows}
