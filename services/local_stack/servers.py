"""The servers a stack works with: those the environment names, else its own."""

import os
from collections.abc import Callable

from services.local_stack.broker import Broker
from services.local_stack.directory import Home
from services.local_stack.postgres import Postgres

DATABASE = "crm"


class Servers:
    """`postgres` and `broker` are None where DATABASE_URL or KAFKA_BOOTSTRAP_SERVERS is set."""

    def __init__(self, home: Home, *, durable: bool, notice: Callable[[str], None]) -> None:
        self.postgres: Postgres | None = None
        self.broker: Broker | None = None
        self._home = home
        self._durable = durable
        self._notice = notice

    @property
    def forgets(self) -> bool:
        """Is what the broker holds gone when it stops?"""
        return self.broker is not None and self.broker.forgets

    def start(self) -> tuple[str, str]:
        """The database's address and the broker's, once both take connections."""
        return self._database_url(), self._bootstrap_servers()

    def stop(self) -> None:
        """The broker first: data stay where they can."""
        try:
            if self.broker is not None:
                self._notice("stopping the broker")
                self.broker.stop()
        finally:
            if self.postgres is not None:
                self._notice("stopping PostgreSQL")
                self.postgres.stop()

    def _database_url(self) -> str:
        if given := os.environ.get("DATABASE_URL"):
            return given
        self._notice("starting PostgreSQL")
        self.postgres = Postgres(
            self._home.directory / "postgres",
            durable=self._durable,
            log=self._home.logs / "postgres.log",
        )
        self.postgres.start()
        self.postgres.ensure_database(DATABASE)
        return self.postgres.url(DATABASE)

    def _bootstrap_servers(self) -> str:
        if given := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
            return given
        self._notice("starting the broker")
        self.broker = Broker(self._home.directory / "broker", log=self._home.logs / "broker.log")
        self.broker.start()
        return self.broker.bootstrap_servers
