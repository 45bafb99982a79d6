"""The servers of a stack: those that the environment names, or its own ones."""

import os
from collections.abc import Callable

from services.local_stack.broker import Broker
from services.local_stack.postgres import Postgres
from services.local_stack.server_supervisor import ServerWatch
from services.local_stack.stack_directory import StackDirectory

DATABASE = "crm"


class Servers:
    """PostgreSQL and a broker.

    `postgres` is None if DATABASE_URL is set, `broker` if KAFKA_BOOTSTRAP_SERVERS is.
    """

    def __init__(
        self, directory: StackDirectory, *, durable: bool, notice: Callable[[str], None]
    ) -> None:
        self.postgres: Postgres | None = None
        self.broker: Broker | None = None
        self._directory = directory
        self._durable = durable
        self._notice = notice

    @property
    def is_broker_volatile(self) -> bool:
        """True if the broker loses its records when it stops."""
        return self.broker is not None and self.broker.is_volatile

    def watches(self, describe_loss: Callable[[], str]) -> list[ServerWatch]:
        """Return the own servers to supervise. `describe_loss`: what a dead broker has lost."""
        watches = []
        if self.postgres is not None:
            watches.append(ServerWatch("PostgreSQL", self.postgres))
        if self.broker is not None:
            watches.append(ServerWatch("the broker", self.broker, describe_loss))
        return watches

    def start(self) -> tuple[str, str]:
        """Start the servers; return the addresses of the database and of the broker."""
        return self._start_database(), self._start_broker()

    def stop(self) -> None:
        """Stop the broker, then PostgreSQL, also if the broker fails to stop."""
        try:
            if self.broker is not None:
                self._notice("stopping the broker")
                self.broker.stop()
        finally:
            if self.postgres is not None:
                self._notice("stopping PostgreSQL")
                self.postgres.stop()

    def _start_database(self) -> str:
        if url := os.environ.get("DATABASE_URL"):
            return url
        self._notice("starting PostgreSQL")
        self.postgres = Postgres(
            self._directory.directory / "postgres",
            durable=self._durable,
            log=self._directory.logs / "postgres.log",
        )
        self.postgres.start()
        self.postgres.ensure_database(DATABASE)
        return self.postgres.url(DATABASE)

    def _start_broker(self) -> str:
        if address := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
            return address
        self._notice("starting the broker")
        self.broker = Broker(
            self._directory.directory / "broker", log=self._directory.logs / "broker.log"
        )
        self.broker.start()
        return self.broker.bootstrap_servers
