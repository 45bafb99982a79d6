"""The topics of a process: created when it starts, and created again when they are gone."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from events.bus.brokers import client_options
from events.bus.topic_creation import create_topics
from events.log.shard import check_partitions
from services.runtime.database import CONNECTION_ERRORS, TRANSACTION_ERRORS
from services.runtime.logging import get_logger
from services.runtime.settings import Settings

LOOK_SECONDS = 2.0
RESPONSE_SECONDS = 2.5
"""Limit for one question to the broker; it is shorter than the limit of a health check."""
CREATION_SECONDS = 30
"""Limit for the creation of topics: Apache Kafka takes seconds when it is busy."""

RETRY_ERRORS = (KafkaError, *CONNECTION_ERRORS, *TRANSACTION_ERRORS)

log = get_logger("topics")


async def _do_nothing(_topic: str) -> None: ...


class TopicKeeper:
    """Creates the topics of a process that do not exist.

    A topic can be deleted by mistake, and a broker that keeps its data in memory loses all topics
    when it restarts. Clients report neither: they wait for a topic that nobody creates.
    """

    def __init__(
        self,
        settings: Settings,
        topics: Sequence[str],
        on_created: Callable[[str], Awaitable[None]] = _do_nothing,
    ) -> None:
        """Call `on_created` with each topic after it was created, until it raises nothing."""
        self._settings, self._topics, self._on_created = settings, topics, on_created
        self._created: list[str] = []
        """The created topics for which `on_created` must still be called."""
        self._admin: AIOKafkaAdminClient | None = None
        self._lock = asyncio.Lock()

    async def create_missing(self) -> None:
        """Create the topics that do not exist.

        Raise `ValueError` for a number of partitions that splits shards, a `KafkaError`, and
        `TimeoutError`.
        """
        check_partitions(self._settings.topic_partitions)
        async with self._lock:
            if missing := await self._find_missing():
                async with asyncio.timeout(CREATION_SECONDS):
                    await self._create(missing)
        while self._created:
            await self._on_created(self._created[0])
            del self._created[0]

    async def run(self) -> None:
        """Create topics that are gone, until cancelled. An unreachable broker is asked again."""
        try:
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                try:
                    await self.create_missing()
                except RETRY_ERRORS as error:
                    log.warning("topics.not_created", error=error, is_retry=True)
        finally:
            await self.stop()

    async def check(self) -> str | None:
        """Return which topics are missing, or that the broker does not answer; None if all exist.

        It asks the broker, so a process is not ready from the moment when a topic is gone.
        """
        async with self._lock:
            try:
                missing = await self._find_missing()
            except (KafkaError, OSError, TimeoutError) as error:
                return f"the broker does not answer: {error!r}"
        if not missing:
            return None
        return f"the broker has no topic {', '.join(missing)}: it is created again"

    async def _find_missing(self) -> list[str]:
        try:
            async with asyncio.timeout(RESPONSE_SECONDS):
                existing = await self._list()
        except (KafkaError, OSError, TimeoutError):
            await self.stop()
            raise
        return [topic for topic in self._topics if topic not in existing]

    async def _list(self) -> list[str]:
        topics: list[str] = await (await self._connect()).list_topics()
        return topics

    async def _connect(self) -> AIOKafkaAdminClient:
        """Return the client, connected once and kept: the topics are listed again and again."""
        if self._admin is None:
            admin = AIOKafkaAdminClient(
                **client_options(self._settings.brokers),
                request_timeout_ms=CREATION_SECONDS * 1000,
            )
            try:
                await admin.start()
            except BaseException:
                await admin.close()
                raise
            self._admin = admin
        return self._admin

    async def _create(self, topics: Sequence[str]) -> None:
        partitions, replicas = self._settings.topic_partitions, self._settings.topic_replicas
        admin = await self._connect()
        for topic in await create_topics(admin, topics, partitions=partitions, replicas=replicas):
            log.warning("topics.created", topic=topic, partitions=partitions)
            self._created.append(topic)

    async def stop(self) -> None:
        """Close the connection to the broker; the next question opens it again."""
        admin, self._admin = self._admin, None
        if admin is not None:
            await admin.close()
