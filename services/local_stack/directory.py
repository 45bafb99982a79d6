"""The home of a stack: a directory that one stack has at a time, with its secret and its state."""

import fcntl
import os
import secrets
from pathlib import Path

from services.local_stack.child_process import StackError
from services.local_stack.leftovers import end_leftovers
from services.runtime.settings import Settings
from services.runtime.stack_state import StackState, forget_state, write_state


class Home:
    """Take it before anything is started in it; leaving it twice is leaving it once."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self.logs = self.directory / "logs"
        self._lock: int | None = None

    def take(self) -> None:
        """Be the only one here, and end what a killed stack left running."""
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

    def leave(self) -> None:
        """After this other commands find no stack here, and another may be started."""
        if self._lock is not None:
            forget_state(self.directory)
            os.close(self._lock)
            self._lock = None

    def publish(self, settings: Settings, urls: dict[str, str]) -> None:
        """Let other commands find what runs."""
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
        """CRM_JWT_SECRET, or one made once for this home, so that tokens outlive a restart."""
        if given := os.environ.get("CRM_JWT_SECRET"):
            return given
        file = self.directory / "jwt-secret"
        if not file.exists():
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as out:
                out.write(secrets.token_urlsafe(48))
        return file.read_text(encoding="ascii")
