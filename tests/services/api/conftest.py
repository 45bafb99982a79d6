"""The API on a real database: in the test's own loop, or with the whole stack behind a socket."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2
import jwt
import pytest

from events.widgets import WidgetConfigured, WidgetKeyIssued
from services.adapters.responder import Response, Turn
from services.api.app import create_app
from services.api.server import Server
from services.runtime.settings import Settings
from tests.conftest import JWT_SECRET, until
from tests.races.processes import level, running
from tests.services.api import openapi_promises
from tests.world import World, make_world, parked_reasons

ORIGIN = "https://house.example.com"
BRIEF = {"token_wait_seconds": 0.3, "stream_seconds": 0.3}
NEXT_MONTH = (datetime.now(UTC) + timedelta(days=30)).date()


class Parrot:
    """A responder that repeats, or fails when it is told to; a fake of the port."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.fails = False

    async def reply(self, turn: Turn) -> Response:
        self.turns.append(turn)
        if self.fails:
            raise RuntimeError("no model")
        return Response(f"You said: {turn.message}")


@dataclass
class Site:
    """An API with a property, its widget key, and people of its organisation."""

    client: httpx2.AsyncClient
    world: World
    key: str
    manager: UUID
    viewer: UUID
    parrot: Parrot
    admin: UUID = field(default_factory=uuid4)

    @property
    def property_id(self) -> UUID:
        return self.world.properties[0]

    def widget(self, visitor: str = "v_1", **more: str) -> dict[str, str]:
        return {"X-API-Key": self.key, "X-Visitor-ID": visitor, **more}

    def console(
        self, person: UUID | None = None, more: dict[str, str] | None = None
    ) -> dict[str, str]:
        return {"Authorization": f"Bearer {token_of(person or self.manager)}", **(more or {})}

    async def chat(self, text: str, visitor: str = "v_1", **more: Any) -> dict[str, Any]:
        answer = await self.client.post(
            "/api/lumaleasing/chat",
            json={"messages": [{"role": "user", "content": text}], **more},
            headers=self.widget(visitor),
        )
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def lead(self, **details: str) -> UUID:
        said = {"propertyId": str(self.property_id), "email": f"{uuid4()}@example.com", **details}
        answer = await self.client.post("/api/leads", json=said, headers=self.console())
        assert answer.status_code == 201, answer.text
        return UUID(answer.json()["lead"]["id"])

    async def tour(self, lead: UUID, **more: Any) -> dict[str, Any]:
        answer = await self.client.post(
            f"/api/leads/{lead}/tours",
            json={"tourDate": NEXT_MONTH.isoformat(), "tourTime": "14:00", **more},
            headers=self.console(),
        )
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()["tour"]
        return found

    async def project(self) -> None:
        await self.world.project()
        assert await parked_reasons(self.world.pool) == []

    async def log(self) -> list[str]:
        async with self.world.pool.acquire() as conn:
            rows = await conn.fetch(
                "SELECT event_type FROM crm_events WHERE entity_type NOT IN "
                "('organization', 'property', 'profile', 'widget') ORDER BY seq"
            )
        return [row["event_type"] for row in rows]


def token_of(
    subject: object, *, secret: str = JWT_SECRET, claims: dict[str, Any] | None = None
) -> str:
    said = {"sub": str(subject), "aud": "authenticated", "role": "authenticated",
            "exp": datetime.now(UTC) + timedelta(hours=1)}  # fmt: skip
    return jwt.encode(said | (claims or {}), secret, algorithm="HS256")


class RunningSite(Site):
    """A site with the core's processes at work."""

    async def project(self) -> None:
        await level(self.world.pool)
        assert await parked_reasons(self.world.pool) == []


async def furnish(world: World, **settings: Any) -> str:
    """An active widget for the world's first property; its key."""
    key, host_property = f"lk_{uuid4().hex}", world.properties[0]
    hashed = hashlib.sha256(key.encode()).hexdigest()
    said = {
        "property_id": host_property,
        "is_active": True,
        "allowed_origins": (ORIGIN,),
        **settings,
    }
    await world.append(
        world.new(WidgetKeyIssued(property_id=host_property, key_id=uuid4(), key_hash=hashed)),
        world.new(WidgetConfigured.model_validate(said)),
    )
    await world.project()
    return key


async def employ(world: World, role: str) -> UUID:
    person = uuid4()
    async with world.pool.acquire() as conn:
        await conn.execute(
            "INSERT INTO profiles (id, org_id, role, full_name) VALUES ($1, $2, $3, 'Sam')",
            person,
            world.org_id,
            role,
        )
    return person


async def open_site(
    client: httpx2.AsyncClient, world: World, parrot: Parrot, kind: type[Site] = Site
) -> Site:
    """A site whose tables are level with the log."""
    return kind(
        client, world, await furnish(world), await employ(world, "manager"),
        await employ(world, "viewer"), parrot, await employ(world, "admin"),
    )  # fmt: skip


@asynccontextmanager
async def asking(
    url: str, transport: httpx2.AsyncBaseTransport | None = None
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client that holds every answer to the API's document."""
    async with httpx2.AsyncClient(
        transport=transport,
        base_url=url,
        timeout=60,
        event_hooks={"response": [openapi_promises.check]},
    ) as client:
        yield client


@pytest.fixture
async def site_in_process(settings: Settings, pool: asyncpg.Pool) -> AsyncIterator[Site]:
    """An API that is asked without a network; `project` folds what was said."""
    async with site_in_this_process(settings, pool) as site:
        yield site


@asynccontextmanager
async def site_in_this_process(settings: Settings, pool: asyncpg.Pool) -> AsyncIterator[Site]:
    parrot = Parrot()
    app = create_app(settings.model_copy(update=BRIEF), parrot)
    transport = httpx2.ASGITransport(app=app)
    async with app.router.lifespan_context(app), asking("http://crm", transport) as client:
        yield await open_site(client, await make_world(pool), parrot)


def address_of(server: Server) -> str:
    """Where a server listens that was told port 0."""
    host, port = server.servers[0].sockets[0].getsockname()
    return f"http://{host}:{port}"


@pytest.fixture
async def running_site(kafka_settings: Settings, pool: asyncpg.Pool) -> AsyncIterator[Site]:
    """An API on a socket, the relay and the projector behind it; `project` waits for them."""
    parrot = Parrot()
    settings = kafka_settings.model_copy(update={**BRIEF, "http_port": 0})
    server = Server(settings, create_app(settings, parrot))
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    async with asking(address_of(server)) as client:
        site = await open_site(client, await make_world(pool), parrot, RunningSite)
        async with running(settings):
            yield site
    server.should_exit = True
    await serving


@pytest.fixture
def site(site_in_process: Site) -> Site:
    return site_in_process


@pytest.fixture(params=["in process", pytest.param("running", marks=pytest.mark.stack)])
def site_anywhere(request: pytest.FixtureRequest) -> Site:
    """For what must hold on a running stack as well."""
    name = "site_in_process" if request.param == "in process" else "running_site"
    found: Site = request.getfixturevalue(name)
    return found
