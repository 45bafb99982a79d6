"""The data of the measurement of pages has something for every page of the catalog."""

import asyncpg
import httpx2

from benchmarks.console_pages.measuring import PageResult
from benchmarks.console_pages.report import misses, page_lines
from benchmarks.console_pages.site import SiteSize, append_site, refuse_records
from benchmarks.console_pages.visits import Person, find_visits, make_people
from services.api.console.catalog import PAGES
from services.api.console.viewers import COOKIE
from services.runtime.database import connect
from services.runtime.settings import Settings
from tests.conftest import JWT_SECRET
from tests.services.api.site import open_api
from tests.world import World

SIZE = SiteSize(leads=4_000, in_large_property=400, events=600, dead_letters=3)


async def test_somebody_may_open_each_measured_page(
    settings: Settings, owner_settings: Settings, pool: asyncpg.Pool
) -> None:
    owner = await connect(owner_settings, "test", role=None)
    site = await append_site(owner, SIZE)
    await World(pool, site.org_id, [site.property_id]).project()
    await refuse_records(pool, site, SIZE)
    visits = await find_visits(owner, site)
    await owner.close()
    assert len(visits) > len(PAGES)
    async with open_api(settings) as client:
        for visit in visits:
            statuses = {
                person.role: await _open(client, visit.path, person)
                for person in make_people(site, JWT_SECRET)
            }
            assert {200, 303} & set(statuses.values()), (visit.path, statuses)


async def _open(client: httpx2.AsyncClient, path: str, person: Person) -> int:
    response = await client.get(path, headers={"Cookie": f"{COOKIE}={person.token}"})
    return response.status_code


def test_the_slowest_and_the_heaviest_page_are_compared_with_the_limits() -> None:
    fast = {"milliseconds": [1.0, 2.0], "kibibytes": 151.0}
    slow = {"milliseconds": [1.0, 101.0], "kibibytes": 20.0}
    time, weight = page_lines([{"leads": fast, "today": slow}])
    assert time.what.endswith("today")
    assert weight.what.endswith("leads")
    assert not time.is_met
    assert not weight.is_met
    assert page_lines([]) == []


def test_a_page_that_misses_a_limit_is_named() -> None:
    files = {"/console/static/x.js": 140 * 1024}
    heavy = PageResult("today", ("viewer",), [1.0], sent_bytes=11 * 1024)
    heavy.statics = frozenset(files)
    assert misses([heavy], files) == ["today: 151 KiB"]
    assert misses([heavy], {}) == []
