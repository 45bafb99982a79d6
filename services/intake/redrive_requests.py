"""The redrives that operators ask for in the console. The intake does them, because it admits."""

import asyncio
from collections.abc import Mapping
from typing import Any

import asyncpg

from services.application import dead_letters
from services.application.dead_letters import DeadLetterFilter
from services.application.operator_requests import OperatorRequest, RequestKind
from services.application.request_worker import RequestProgress, RequestWorker
from services.intake.admission import ADMISSION_CONNECTIONS
from services.intake.outcome import IntakeStatus
from services.intake.redrive import redrive
from services.intake.redrive_preview import preview_redrive
from services.intake.settings import IntakeSettings
from services.runtime.database import pooled
from services.runtime.database_settings import DatabaseSettings


async def redrive_requested(
    settings: DatabaseSettings,
    intake_settings: IntakeSettings,
    pool: asyncpg.Pool,
    stop: asyncio.Event,
) -> None:
    """Do the requested redrives, and previews of them, until stopped."""

    async def perform(request: OperatorRequest, progress: RequestProgress) -> Mapping[str, Any]:
        chosen = DeadLetterFilter.of(request.parameters)
        # Connections of its own: those of the process may all be at work on new records.
        async with pooled(settings, "crm redrive", size=ADMISSION_CONNECTIONS) as own_pool:
            if request.kind is RequestKind.PREVIEW_REDRIVE:
                return await preview_redrive(own_pool, intake_settings, chosen)
            async with own_pool.acquire() as conn:
                total = await dead_letters.count(conn, chosen)
            progress.report("records", 0, total)

            def advance(count: int) -> None:
                progress.report("records", progress.done + count, total)

            counts = await redrive(own_pool, intake_settings, chosen, advance)
        return {status.value: counts[status.value] for status in IntakeStatus}

    kinds = (RequestKind.REDRIVE, RequestKind.PREVIEW_REDRIVE)
    await RequestWorker(pool, kinds, perform).run(stop)
