"""The bare API: FastAPI and asyncpg without anything else, `python -m benchmarks.http.bare`.

A read verifies the JWT, sets role and claims, and runs one statement per table that the response
needs, all in one transaction. A write is one INSERT and commit; a chat turn is two of them. The
server is the same kind as that of the API: uvicorn with httptools and uvloop.
"""

import asyncio
import hashlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import jwt
import orjson
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, Query, Response
from pydantic import BaseModel, Field
from uuid_utils.compat import uuid7

from benchmarks.http import bare_queries as queries
from services.runtime.database import session_settings
from services.runtime.json_codecs import register_json_codecs
from services.runtime.listening import listen
from services.runtime.process import loop_factory
from services.runtime.settings import Settings
from services.runtime.workers import (
    WorkerSockets,
    default_processes,
    run_workers,
    worker_sockets,
)

SETTINGS = Settings()
NOBODY = UUID(int=0)
SECRET = SETTINGS.jwt_secret.get_secret_value() if SETTINGS.jwt_secret else ""


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the pool with the same size and session settings as that of the API."""
    async with asyncpg.create_pool(
        SETTINGS.dsn, min_size=1, max_size=SETTINGS.pool_size, init=register_json_codecs,
        server_settings=session_settings(SETTINGS, "bare api"),
    ) as app.state.pool:  # fmt: skip
        yield


app = FastAPI(lifespan=lifespan)


class EngagementBody(BaseModel):
    """The body of an engagement."""

    lead_id: UUID = Field(alias="leadId")
    event_type: str = Field(alias="eventType")
    metadata: dict[str, Any] = {}


class ChatBody(BaseModel):
    """The body of a chat turn."""

    message: str
    session_id: UUID = Field(alias="sessionId")


async def user_of(authorization: Annotated[str, Header()]) -> str:
    """Return the user of a valid bearer token."""
    try:
        token = authorization.removeprefix("Bearer ")
        claims = jwt.decode(token, SECRET, algorithms=["HS256"], audience="authenticated")
    except jwt.PyJWTError:
        raise HTTPException(401) from None
    return str(claims["sub"])


User = Annotated[str, Depends(user_of)]


@asynccontextmanager
async def as_user(user: str) -> AsyncIterator[Any]:
    """Yield a connection in a transaction with the role and the claims of the user."""
    claims = orjson.dumps({"role": "authenticated", "sub": user}).decode()
    async with app.state.pool.acquire() as conn, conn.transaction():
        await conn.execute(queries.ASSUME_ROLE, "authenticated", claims)
        yield conn


def as_json(body: Any) -> Response:
    return Response(orjson.dumps(body, default=str), media_type="application/json")


@app.get("/api/leadpulse/score")
async def get_score(user: User, lead_id: Annotated[UUID, Query(alias="leadId")]) -> Response:
    async with as_user(user) as conn:
        row = await conn.fetchrow(queries.SCORE, lead_id)
    if row is None:
        raise HTTPException(404)
    return as_json({"score": dict(row), "isNew": False})


@app.get("/api/leads")
async def list_leads(
    user: User, property_id: Annotated[UUID, Query(alias="propertyId")], limit: int = 25
) -> Response:
    async with as_user(user) as conn:
        rows = await conn.fetch(queries.LEADS, property_id, limit)
        groups = await conn.fetch(queries.GROUPS, property_id)
    total = sum(group["leads"] for group in groups)
    summary = {group["status"]: group["leads"] for group in groups}
    return as_json({"leads": [dict(row) for row in rows], "total": total, "summary": summary})


@app.get("/api/leads/{lead_id}/timeline")
async def get_timeline(user: User, lead_id: UUID, limit: int = 50) -> Response:
    async with as_user(user) as conn:
        rows = await conn.fetch(queries.TIMELINE, lead_id, limit)
    return as_json({"items": [dict(row) for row in rows]})


@app.post("/api/leadpulse/events")
async def record_engagement(user: User, body: EngagementBody) -> Response:
    key = uuid7()
    payload = {"lead_id": str(body.lead_id), "event_type": body.event_type, **body.metadata}
    async with app.state.pool.acquire() as conn:
        await conn.execute(
            queries.INSERT, key, "engagement", key, "engagement.recorded", NOBODY, NOBODY,
            body.lead_id, payload, f"user:{user}",
        )  # fmt: skip
    return as_json({"success": True, "event": {"id": key}})


@app.post("/api/lumaleasing/chat")
async def send_chat_message(
    body: ChatBody,
    api_key: Annotated[str, Header(alias="X-API-Key")],
    visitor: Annotated[str, Header(alias="X-Visitor-ID")],
) -> Response:
    """Commit the message, then the reply: a bot may need seconds in between."""
    key_hash = hashlib.sha256(api_key.encode()).hexdigest()
    async with app.state.pool.acquire() as conn:
        widget = await conn.fetchrow(queries.WIDGET, key_hash)
        if widget is None:
            raise HTTPException(401)
        for name, text in (
            ("conversation.message_received", body.message),
            ("conversation.replied", "Thank you!"),
        ):
            key = uuid7()
            await conn.execute(
                queries.INSERT, key, "conversation", key, name, widget["org_id"],
                widget["property_id"], None, {"session_id": str(body.session_id), "content": text},
                f"visitor:{visitor}",
            )  # fmt: skip
    return as_json({"content": "Thank you!", "sessionId": body.session_id})


def main() -> None:
    """Serve until SIGTERM, with as many processes as the API."""
    processes, sockets = SETTINGS.api_processes or default_processes(), worker_sockets()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        if sockets is None and processes > 1:
            runner.run(_run_workers(processes))
        else:
            runner.run(_serve(sockets))


async def _run_workers(processes: int) -> None:
    command = (sys.executable, "-m", "benchmarks.http.bare")
    requests = listen("127.0.0.1", SETTINGS.http_port, "CRM_HTTP_PORT")
    await run_workers(command, processes, requests, health_host="127.0.0.1", health_port=None)


async def _serve(sockets: WorkerSockets | None) -> None:
    config = uvicorn.Config(
        app, host="127.0.0.1", port=SETTINGS.http_port, http="httptools", log_config=None,
        access_log=False,
    )  # fmt: skip
    await uvicorn.Server(config).serve([sockets.requests] if sockets else None)


if __name__ == "__main__":
    main()
