"""An API under test, with a property, its widget key and three console users."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import asyncpg
import httpx2
import jwt

from events.tours import TourScheduled, TourType
from events.widgets import WidgetConfigured, WidgetKeyIssued
from services.adapters.responder import ResponderReply, ResponderRequest
from services.api.app import create_app
from services.api.server import ApiServer
from services.runtime.clock import Clock
from services.runtime.settings import Settings
from tests.conftest import JWT_SECRET, until
from tests.races.processes import run_processes, wait_until_level
from tests.services.api import openapi_check
from tests.world import World, make_world, read_parked_reasons

ORIGIN = "https://property.example.com"
TIME_ZONE = "America/New_York"
SHORT_TIMES = {"token_wait_seconds": 0.3, "stream_seconds": 0.3}
NEXT_MONTH = (datetime.now(UTC) + timedelta(days=30)).date()
CHAT, CHAT_STREAM = "/api/lumaleasing/chat", "/api/lumaleasing/chat/stream"
STREAM_TICKETS = "/api/lumaleasing/chat/stream-tickets"
WIDGET_LEAD = "/api/lumaleasing/lead"
WIDGET_CONFIG = "/api/lumaleasing/config"
WIDGET_TOURS = "/api/lumaleasing/tours"
WIDGET_ADMIN = "/api/lumaleasing/admin"


class EchoResponder:
    """A responder that repeats the visitor's message, or fails if `fails` is set."""

    def __init__(self) -> None:
        self.requests: list[ResponderRequest] = []
        self.fails = False

    async def reply(self, request: ResponderRequest) -> ResponderReply:
        self.requests.append(request)
        if self.fails:
            raise RuntimeError("no model")
        return ResponderReply(f"Echo: {request.message}")


@dataclass
class Site:
    """An API with a property, its widget key, and console users of its organisation."""

    client: httpx2.AsyncClient
    world: World
    key: str
    manager: UUID
    viewer: UUID
    responder: EchoResponder
    admin: UUID = field(default_factory=uuid4)
    api_key: str = ""
    """An API key of the organisation, once `create_examples` has issued one."""

    @property
    def property_id(self) -> UUID:
        return self.world.properties[0]

    def widget_headers(self, visitor: str = "v_1", **more: str) -> dict[str, str]:
        return {"X-API-Key": self.key, "X-Visitor-ID": visitor, **more}

    def console_headers(
        self, profile_id: UUID | None = None, more: dict[str, str] | None = None
    ) -> dict[str, str]:
        """Return the headers of a console user, of the manager if none is given."""
        token = make_bearer_token(profile_id or self.manager)
        return {"Authorization": f"Bearer {token}", **(more or {})}

    async def send_chat(self, text: str, visitor: str = "v_1", **more: Any) -> dict[str, Any]:
        """Send a message as a visitor and return the chat response."""
        response = await self.client.post(
            CHAT,
            json={"messages": [{"role": "user", "content": text}], **more},
            headers=self.widget_headers(visitor),
        )
        assert response.status_code == 200, response.text
        turn: dict[str, Any] = response.json()
        return turn

    async def create_lead(self, **details: str) -> UUID:
        """Create a lead as the manager and return its id.

        By default its e-mail address has no letters before the @, so that no search for a name
        finds it.
        """
        email = f"{uuid4().int}@example.com"
        body = {"propertyId": str(self.property_id), "email": email, **details}
        response = await self.client.post("/api/leads", json=body, headers=self.console_headers())
        assert response.status_code == 201, response.text
        return UUID(response.json()["lead"]["id"])

    async def find_lead(self, email: str) -> UUID:
        """Return the id of the lead with an e-mail address, as the console tells it."""
        body = {"propertyId": str(self.property_id), "email": email}
        response = await self.client.post("/api/leads", json=body, headers=self.console_headers())
        assert response.status_code == 409, response.text
        return UUID(response.json()["lead"]["id"])

    async def book_tour(self, lead: UUID, **more: Any) -> dict[str, Any]:
        """Book a tour for a lead as the manager and return its row."""
        response = await self.client.post(
            f"/api/leads/{lead}/tours",
            json={"tourDate": NEXT_MONTH.isoformat(), "tourTime": "14:00", **more},
            headers=self.console_headers(),
        )
        assert response.status_code == 201, response.text
        tour: dict[str, Any] = response.json()["tour"]
        return tour

    async def create_begun_tour(self, lead: UUID) -> UUID:
        """Append a tour that began an hour ago, with no slot; return its id.

        Nobody can book it by a request: its time has passed.
        """
        starts_at = (datetime.now(UTC) - timedelta(hours=1)).replace(second=0, microsecond=0)
        local, tour = starts_at.astimezone(ZoneInfo(TIME_ZONE)), uuid4()
        event = TourScheduled(
            tour_id=tour, lead_id=lead, tour_date=local.date(), tour_time=local.time(),
            time_zone=TIME_ZONE, fold=local.fold, starts_at=starts_at, duration_minutes=30,
            tour_type=TourType.IN_PERSON, source="console",
        )  # fmt: skip
        await self.world.append(self.world.new(event, at=starts_at - timedelta(days=1)))
        return tour

    async def project(self) -> None:
        """Bring the tables level with the log; no event may be parked."""
        await self.world.project()
        reasons = await read_parked_reasons(self.world.pool)
        assert reasons == [], reasons

    async def read_event_types(self) -> list[str]:
        """Return the types of the events in the log, without those of the set-up."""
        async with self.world.pool.acquire() as conn:
            rows = await conn.fetch(
                "SELECT event_type FROM crm_events WHERE entity_type NOT IN "
                "('organization', 'property', 'profile', 'widget') ORDER BY seq"
            )
        return [row["event_type"] for row in rows]


class StackSite(Site):
    """A site with a running relay and projector, which bring the tables level."""

    async def project(self) -> None:
        await wait_until_level(self.world.pool)
        reasons = await read_parked_reasons(self.world.pool)
        assert reasons == [], reasons


def make_bearer_token(
    subject: object, *, secret: str = JWT_SECRET, claims: dict[str, Any] | None = None
) -> str:
    """Return a console token as Supabase issues it."""
    default_claims = {
        "sub": str(subject), "aud": "authenticated", "role": "authenticated",
        "email": "agent@example.com", "phone": "12125550188",
        "exp": datetime.now(UTC) + timedelta(hours=1),
    }  # fmt: skip
    return jwt.encode(default_claims | (claims or {}), secret, algorithm="HS256")


async def create_widget(world: World, **settings: Any) -> str:
    """Create an active widget for the world's first property and return its key."""
    key, property_id = f"lk_{uuid4().hex}", world.properties[0]
    key_hash = hashlib.sha256(key.encode()).hexdigest()
    configuration = {
        "property_id": property_id,
        "is_active": True,
        "allowed_origins": (ORIGIN,),
        **settings,
    }
    await world.append(
        world.new(WidgetKeyIssued(property_id=property_id, key_id=uuid4(), key_hash=key_hash)),
        world.new(WidgetConfigured.model_validate(configuration)),
    )
    await world.project()
    return key


async def create_profile(world: World, role: str) -> UUID:
    """Insert a profile of the world's organisation and return its id."""
    profile_id = uuid4()
    async with world.pool.acquire() as conn:
        await conn.execute(
            "INSERT INTO profiles (id, org_id, role, full_name) VALUES ($1, $2, $3, 'Sam')",
            profile_id,
            world.org_id,
            role,
        )
    return profile_id


async def create_second_property(world: World) -> UUID:
    """Insert another property of the world's organisation and return its id."""
    property_id = uuid4()
    async with world.pool.acquire() as conn:
        await conn.execute(
            "INSERT INTO properties (id, org_id, name, settings) VALUES ($1, $2, 'Two', $3)",
            property_id,
            world.org_id,
            {"timezone": TIME_ZONE},
        )
    return property_id


async def create_site(
    client: httpx2.AsyncClient, world: World, responder: EchoResponder, kind: type[Site] = Site
) -> Site:
    """Create the widget and the console users of a site; its tables are level with the log."""
    return kind(
        client, world, await create_widget(world), await create_profile(world, "manager"),
        await create_profile(world, "viewer"), responder, await create_profile(world, "admin"),
    )  # fmt: skip


@asynccontextmanager
async def open_client(
    url: str, transport: httpx2.AsyncBaseTransport | None = None
) -> AsyncIterator[httpx2.AsyncClient]:
    """Open a client that compares every response with the OpenAPI document."""
    async with httpx2.AsyncClient(
        transport=transport,
        base_url=url,
        timeout=60,
        event_hooks={"response": [openapi_check.check_response]},
    ) as client:
        yield client


@asynccontextmanager
async def open_api(
    settings: Settings,
    responder: EchoResponder | None = None,
    *,
    address: str = "127.0.0.1",
    clock: Clock | None = None,
) -> AsyncIterator[httpx2.AsyncClient]:
    """Run an API in this event loop; yield a client whose requests come from `address`.

    Without a responder the API uses the one that the settings name.
    """
    app = create_app(settings, responder, clock)
    transport = httpx2.ASGITransport(app=app, client=(address, 1))
    async with app.router.lifespan_context(app), open_client("http://crm", transport) as client:
        yield client


@asynccontextmanager
async def open_site(settings: Settings, pool: asyncpg.Pool) -> AsyncIterator[Site]:
    """Run an API in this event loop; yield its site."""
    responder = EchoResponder()
    async with open_api(settings.model_copy(update=SHORT_TIMES), responder) as client:
        yield await create_site(client, await make_world(pool), responder)


@asynccontextmanager
async def open_stack_site(settings: Settings, pool: asyncpg.Pool) -> AsyncIterator[Site]:
    """Run an API on a socket, a relay and a projector; yield their site."""
    responder = EchoResponder()
    settings = settings.model_copy(update={"http_port": 0})
    server = ApiServer(settings, create_app(settings, responder))
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    async with open_client(url_of(server)) as client:
        site = await create_site(client, await make_world(pool), responder, StackSite)
        async with run_processes(settings):
            yield site
    server.should_exit = True
    await serving


def url_of(server: ApiServer) -> str:
    """Return the address of a server that was started on port 0."""
    host, port = server.servers[0].sockets[0].getsockname()
    return f"http://{host}:{port}"
