"""A worker of requests of operators: it claims one at a time, and stores progress and result."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import asyncpg

from events.log.error_text import describe_error
from projections.engine.rebuild import SWAP_STAGE
from services.application.operator_requests import (
    LEASE_SECONDS,
    MAX_ATTEMPTS,
    OperatorRequest,
    RequestCancelled,
    RequestKind,
    RequestLost,
    claim_request,
    end_request,
    renew_request,
)
from services.runtime.database import CONNECTION_ERRORS, TRANSACTION_ERRORS
from services.runtime.logging import get_logger
from services.runtime.process import sleep_unless
from services.runtime.tasks import end_tasks

POLL_SECONDS = 2.0
"""Time between two looks of an idle worker. An operator waits for it, a rebuild takes longer."""
REPORT_SECONDS = 1.0
UNSAFE_STAGES = frozenset({SWAP_STAGE})
"""Stages in which work is not cancelled: it would be unknown whether it is done."""
RETRY_ERRORS = (*CONNECTION_ERRORS, *TRANSACTION_ERRORS)

log = get_logger("requests")


class RequestFailed(Exception):
    """The request cannot be done. The message says why, and what to do."""


@dataclass(slots=True)
class RequestProgress:
    """The progress of a request, which its work sets and the worker stores."""

    stage: str | None = None
    done: int = 0
    total: int = 0

    def report(self, stage: str, done: int, total: int) -> None:
        """Set stage, finished part and whole. The signature is that of `projections` progress."""
        self.stage, self.done, self.total = stage, done, total


Perform: TypeAlias = Callable[[OperatorRequest, RequestProgress], Awaitable[Mapping[str, Any]]]
"""Does a request and returns its result, without personal values. Raises `RequestFailed`."""


@dataclass(slots=True)
class RequestWorker:
    """A worker of requests of some kinds. Any number of workers may run."""

    pool: asyncpg.Pool
    kinds: Collection[RequestKind]
    perform: Perform
    name: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}")

    async def run(self, stop: asyncio.Event) -> None:
        """Do what is requested, until stopped. A request that is going on is ended by its lease."""
        while not stop.is_set():
            try:
                while await self.do_next() and not stop.is_set():
                    pass
            except RETRY_ERRORS as error:
                log.warning("requests.database_away", error=error, is_retry=True)
            await sleep_unless(stop, POLL_SECONDS)

    async def do_next(self) -> bool:
        """Do the next request; return False if there is none."""
        async with self.pool.acquire() as conn:
            request = await claim_request(conn, self.kinds, self.name)
        if request is None:
            return False
        log.info("requests.claimed", kind=request.kind.value, request_id=str(request.id))
        try:
            await self._do(request)
        except RequestLost:
            log.warning("requests.lost", request_id=str(request.id), is_retry=True)
        return True

    async def _do(self, request: OperatorRequest) -> None:
        if request.attempts > MAX_ATTEMPTS:
            await self._end(request, None, f"it was begun {MAX_ATTEMPTS} times and never ended: "
                            "read the log of its worker, then request it again")  # fmt: skip
            return
        if request.is_cancelled:  # its worker was lost before it could stop
            await self._end(request, None, None, is_cancelled=True)
            return
        progress, result, error = RequestProgress(), None, None
        is_cancelled = False
        work = asyncio.ensure_future(self.perform(request, progress))
        renewal = asyncio.ensure_future(self._renew(request, progress))
        try:
            await asyncio.wait([work, renewal], return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                renewal.result()  # it ends by an error only: then the work ends too
            result = work.result()
        except RequestFailed as failed:
            error = str(failed)
        except RequestCancelled:
            is_cancelled = True
            log.info("requests.cancelled", request_id=str(request.id))
        except (RequestLost, *RETRY_ERRORS):
            raise
        except Exception as unexpected:  # noqa: BLE001 — an edge: the operator gets the error
            error = describe_error(unexpected)
            log.error("requests.failed", request_id=str(request.id), error=unexpected)
        finally:
            await end_tasks([work, renewal])
        await self._end(request, result, error, is_cancelled=is_cancelled)

    async def _end(
        self, request: OperatorRequest, result: Mapping[str, Any] | None, error: str | None,
        *, is_cancelled: bool = False,
    ) -> None:  # fmt: skip
        async with self.pool.acquire() as conn:
            await end_request(conn, request, result, error, is_cancelled=is_cancelled)

    async def _renew(self, request: OperatorRequest, progress: RequestProgress) -> None:
        failed_at: float | None = None
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            try:
                async with self.pool.acquire() as conn:
                    await renew_request(
                        conn, request, progress.stage, progress.done, progress.total
                    )
                failed_at = None
            except RequestCancelled:
                if progress.stage not in UNSAFE_STAGES:
                    raise
            except RETRY_ERRORS:
                failed_at = failed_at or loop.time()
                if loop.time() - failed_at > LEASE_SECONDS:
                    raise RequestLost from None
