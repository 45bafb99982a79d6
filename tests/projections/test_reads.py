"""What the console reads stays indexed through row level security; a million: `tests/soak/`."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from benchmarks.crowd import Crowd, gather
from benchmarks.reading import questions
from projections.scores import TABLE
from services.api.auth.callers import Person
from services.runtime.database import connect, open_engine
from services.runtime.settings import Settings
from tests.query_plans import Scan, complaints, scans_of

LEADS, IN_ONE = 20_000, 1_000
BIG = 5_000
"""Tables of more rows are never read whole."""


async def test_no_read_of_a_large_property_reads_more_than_the_property(
    settings: Settings,
) -> None:
    """And where an index is missing, it is noticed."""
    owner = await connect(settings, "test", role=None)
    crowd = await gather(owner, LEADS, IN_ONE)
    assert await complaints_of(settings, crowd, IN_ONE) == []
    await owner.execute("DROP INDEX idx_lead_scores_property")
    await owner.close()
    found = await complaints_of(settings, crowd, IN_ONE)
    assert found
    assert all(one.startswith("insights: trend") for one in found), found


def test_a_bad_guess_is_noticed() -> None:
    guessed = Scan("Index Scan", "leads", 10, 5_000, 0, False)
    assert complaints("it", [guessed], {"leads": 1}, 10_000)
    assert not complaints("it", [Scan("Index Scan", "leads", 100, 5_000, 0, False)], {"leads": 1},
                          10_000)  # fmt: skip


async def complaints_of(settings: Settings, crowd: Crowd, in_one: int) -> list[str]:
    """Ask everything about the large property of a crowd; what is wrong with the plans."""
    engine = open_engine(settings, "test")
    found: list[str] = []
    member = Person(crowd.member, crowd.org_id, "viewer")
    async with member.transaction(engine) as conn:
        assert await conn.scalar(text("SELECT current_user")) == "authenticated"
        big = await _big(conn)
        assert TABLE.name in big
        for name, query in questions(crowd).items():
            rows = (await conn.execute(query)).all()
            assert rows, f"{name} finds nothing"
            found += complaints(name, await scans_of(conn, query), big, 3 * in_one)
    await engine.dispose()
    return found


async def _big(conn: AsyncConnection) -> dict[str, int]:
    rows = await conn.execute(text(
        "SELECT relname, reltuples FROM pg_class WHERE relkind = 'r' AND reltuples > :big"
    ), {"big": BIG})  # fmt: skip
    return {row.relname: int(row.reltuples) for row in rows}
