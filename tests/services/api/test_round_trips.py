"""The statements that a request sends to the database: each is a round trip."""

import math
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest
from asyncpg.connection import LoggedQuery

from events.engagements import EngagementRecorded, EngagementType
from events.log.announcements import ANNOUNCE
from projections import score_inputs
from services.api.app import create_app
from services.api.context import ApiContext
from services.api.reading import compile_query
from services.runtime.settings import Settings
from tests.services.api.site import CHAT, EchoResponder, Site, create_site, open_client
from tests.world import make_world


@dataclass
class CountedSite:
    """A site whose API has one connection, and the statements that it sent."""

    site: Site
    statements: list[str] = field(default_factory=list)

    async def request(self, method: str, path: str, **options: object) -> list[str]:
        """Return the statements of a request, which is sent twice: the second time they count."""
        for _ in range(2):
            self.statements.clear()
            response = await self.site.client.request(method, path, **options)  # type: ignore[arg-type]
            assert response.status_code == 200, response.text
        return self.statements


@pytest.fixture
async def counted(direct_settings: Settings, pool: asyncpg.Pool) -> AsyncIterator[CountedSite]:
    """Run an API without a pooler, behind which a statement alone begins a transaction."""
    responder = EchoResponder()
    app = create_app(direct_settings.model_copy(update={"pool_size": 1}), responder)
    transport = httpx2.ASGITransport(app=app, client=("127.0.0.1", 1))
    async with app.router.lifespan_context(app), open_client("http://crm", transport) as client:
        counted = CountedSite(await create_site(client, await make_world(pool), responder))

        def record(query: LoggedQuery) -> None:
            if query.query != ANNOUNCE:  # sent after the response, at most ten times a second
                counted.statements.append(query.query)

        context: ApiContext = app.state.context
        lookups = (context.identities, context.profiles, context.widgets, context.properties)
        for cache in (*lookups, context.streams):
            cache.lifespan_seconds = math.inf  # a loaded machine may need longer
        async with context.pool.acquire() as conn:
            conn.add_query_logger(record)
        yield counted


@pytest.fixture
async def lead(counted: CountedSite) -> UUID:
    lead = await counted.site.create_lead()
    await counted.site.project()
    return lead


async def test_a_score_is_read_in_three_round_trips(counted: CountedSite, lead: UUID) -> None:
    headers = counted.site.console_headers()
    path = f"/api/leadpulse/score?leadId={lead}"
    statements = await counted.request("GET", path, headers=headers)
    assert len(statements) == 3, statements


async def test_a_list_of_leads_is_read_in_six_round_trips(counted: CountedSite, lead: UUID) -> None:
    headers = counted.site.console_headers()
    path = f"/api/leads?propertyId={counted.site.property_id}"
    statements = await counted.request("GET", path, headers=headers)
    assert len(statements) == 6, statements


async def test_a_timeline_is_read_in_five_round_trips(counted: CountedSite, lead: UUID) -> None:
    headers = counted.site.console_headers()
    statements = await counted.request("GET", f"/api/leads/{lead}/timeline", headers=headers)
    assert len(statements) == 5, statements


async def test_an_engagement_of_a_remembered_lead_is_recorded_in_one_round_trip(
    counted: CountedSite, lead: UUID
) -> None:
    headers, body = (
        counted.site.console_headers(),
        {"leadId": str(lead), "eventType": "price_check"},
    )
    statements = await counted.request("POST", "/api/leadpulse/events", headers=headers, json=body)
    assert len(statements) == 1, statements


async def test_a_turn_of_a_remembered_chat_takes_two_round_trips(counted: CountedSite) -> None:
    """A third one counts the limits, which are off in tests."""
    session, headers = str(uuid4()), counted.site.widget_headers()
    statements = await counted.request(
        "POST", CHAT, headers=headers, json={"message": "Is it quiet?", "sessionId": session}
    )
    assert len(statements) == 2, statements


async def test_the_score_of_a_long_history_reads_as_few_blocks_as_that_of_a_short_one(
    counted: CountedSite,
) -> None:
    site = counted.site
    short, long = [await site.create_lead() for _ in range(2)]
    for lead, number in ((short, 1), (long, 2_000)):
        await site.world.append(*(site.world.new(engagement(lead)) for _ in range(number)))
    await site.project()
    blocks = [await read_blocks(site, lead) for lead in (short, long)]
    assert blocks[1] <= blocks[0] + 3, blocks


def engagement(lead: UUID) -> EngagementRecorded:
    return EngagementRecorded(
        engagement_id=uuid4(), lead_id=lead, event_type=EngagementType.EMAIL_OPENED, score_weight=8
    )


async def read_blocks(site: Site, lead: UUID) -> int:
    """Return the blocks that the query of a lead's score reads."""
    text, values = compile_query(score_inputs.of_person(site.world.org_id, lead))
    async with site.world.pool.acquire() as conn:
        plan = await conn.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {text}", *values)
    root = plan[0]["Plan"]
    return int(root["Shared Hit Blocks"] + root["Shared Read Blocks"])
