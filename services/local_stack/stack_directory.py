"""The directory of a stack, which one stack uses at a time, with its secret and its state."""

import fcntl
import os
import secrets
from pathlib import Path

from services.local_stack.child_process import StackError
from services.local_stack.leftovers import end_leftovers
from services.runtime.settings import Settings
from services.runtime.stack_state import StackState, delete_state, write_state


class StackDirectory:
    """A directory with a lock: lock it before anything is started in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self.logs = self.directory / "logs"
        self._lock: int | None = None

    def lock(self) -> None:
        """Lock the directory, and end processes that a killed stack left running.

        Raise `StackError` if another stack runs in it. The kernel releases the lock of a killed
        process.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            self._lock = None
            raise StackError(
                f"a stack already runs in {self.directory}: stop it with `crm down`, "
                "or set CRM_HOME to another directory"
            ) from None
        end_leftovers(self.directory)

    def release(self) -> None:
        """Delete the state and release the lock. Repeating it changes nothing."""
        if self._lock is not None:
            delete_state(self.directory)
            os.close(self._lock)
            self._lock = None

    def publish(self, settings: Settings, urls: dict[str, str]) -> None:
        """Write the state, with which other commands find the running stack."""
        assert settings.jwt_secret is not None  # noqa: S101 — a stack's settings have one
        write_state(
            self.directory,
            StackState(
                pid=os.getpid(),
                settings={
                    "database_url": settings.dsn,
                    "kafka_bootstrap_servers": settings.kafka_bootstrap_servers,
                    "topic_prefix": settings.topic_prefix,
                    "jwt_secret": settings.jwt_secret.get_secret_value(),
                    "home": str(self.directory),
                    "http_port": str(settings.http_port),
                },
                urls=urls,
            ),
        )

    def jwt_secret(self) -> str:
        """Return CRM_JWT_SECRET, or a secret that is created once: tokens outlive a restart."""
        if secret := os.environ.get("CRM_JWT_SECRET"):
            return secret
        file = self.directory / "jwt-secret"
        if not file.exists():
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as out:
                out.write(secrets.token_urlsafe(48))
        return file.read_text(encoding="ascii")
