"""Every process says how it is: /healthz (alive), /readyz (able to work), /metrics (figures)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.runtime.metrics import exposition

CHECK_SECONDS = 3.0

Check = Callable[[], Awaitable[str | None]]
"""Asks one thing a process needs: None is well, a text says what is wrong."""


def health_routes(checks: Mapping[str, Check]) -> list[Route]:
    """The three routes, for a worker's own server or for the API to include."""

    async def healthz(_request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(_request: Request) -> Response:
        problems = await find_problems(checks)
        body = {"status": "unready" if problems else "ready", "problems": problems}
        return JSONResponse(body, status_code=503 if problems else 200)

    async def metrics(_request: Request) -> Response:
        return Response(exposition(), media_type=CONTENT_TYPE_LATEST)

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]


async def find_problems(checks: Mapping[str, Check]) -> dict[str, str]:
    """Ask all checks at once, each bounded; a check that fails or hangs is a problem too.

    A process that has named nothing to check yet is still starting: it is not ready.
    """
    if not checks:
        return {"process": "still starting"}

    async def ask(check: Check) -> str | None:
        try:
            return await asyncio.wait_for(check(), CHECK_SECONDS)
        except TimeoutError:
            return f"no answer within {CHECK_SECONDS:g} s"
        except Exception as error:  # noqa: BLE001 — an edge: whatever is wrong is the answer
            return f"{type(error).__name__}: {error}"

    answers = await asyncio.gather(*(ask(check) for check in checks.values()))
    return {name: answer for name, answer in zip(checks, answers, strict=True) if answer}


class QuietServer(uvicorn.Server):
    """uvicorn inside a process that minds its signals itself."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serving_health(
    checks: Mapping[str, Check], *, host: str, port: int | None
) -> AsyncIterator[None]:
    """Answer on `port` for the length of a block; no port, no server."""
    if port is None:
        yield
        return
    app = Starlette(routes=health_routes(checks))
    server = QuietServer(
        uvicorn.Config(app, host=host, port=port, log_config=None, lifespan="off", access_log=False)
    )
    task = asyncio.create_task(server.serve(), name="health")
    try:
        yield
    finally:
        server.should_exit = True
        await task
