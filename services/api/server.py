"""The HTTP server: uvicorn with bounded requests, which ends streams before it stops."""

import socket

import uvicorn
from fastapi import FastAPI

from services.api.context import Core
from services.runtime.settings import Settings

STOP_SECONDS = 10


class Server(uvicorn.Server):
    """Lets streams end before it waits for the requests that have begun."""

    def __init__(self, settings: Settings, app: FastAPI) -> None:
        super().__init__(
            uvicorn.Config(
                app, host=settings.http_host, port=settings.http_port, log_config=None,
                access_log=False, lifespan="on", timeout_graceful_shutdown=STOP_SECONDS,
                h11_max_incomplete_event_size=64 * 1024,
                proxy_headers=False,  # whose X-Forwarded-For counts is a setting of ours
            )
        )  # fmt: skip
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        core: Core = self._app.state.core
        core.listening.end()
        await super().shutdown(sockets)
