"""What the routes work with, opened once for the process."""

from dataclasses import dataclass

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request

from services.adapters.responder import Responder
from services.http.listening import Listening
from services.runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class Core:
    """The pools, the responder, the streams. Writes go through `pool`, queries through `engine`."""

    settings: Settings
    pool: asyncpg.Pool
    engine: AsyncEngine
    responder: Responder
    listening: Listening


def core_of(request: Request) -> Core:
    found: Core = request.app.state.core
    return found
