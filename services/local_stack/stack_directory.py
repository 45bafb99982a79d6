"""The directory of a stack, which one stack uses at a time, with its secret and its state."""

import base64
import fcntl
import os
import secrets
from pathlib import Path

from events.keys.master import KEY_BYTES
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

    def publish(self, settings: Settings, api_url: str, urls: dict[str, str]) -> None:
        """Write the state, with which other commands find the running stack."""
        # The settings of a stack have both.
        assert settings.jwt_secret is not None  # noqa: S101
        assert settings.master_key is not None  # noqa: S101
        write_state(
            self.directory,
            StackState(
                pid=os.getpid(),
                settings={
                    "database_url": settings.dsn,
                    "kafka_bootstrap_servers": settings.kafka_bootstrap_servers,
                    "topic_prefix": settings.topic_prefix,
                    "master_key": settings.master_key.get_secret_value(),
                    "jwt_secret": settings.jwt_secret.get_secret_value(),
                    "home": str(self.directory),
                    "http_port": str(settings.http_port),
                },
                api_url=api_url,
                urls=urls,
            ),
        )

    def jwt_secret(self) -> str:
        """Return CRM_JWT_SECRET, or a secret that is created once: tokens outlive a restart."""
        return os.environ.get("CRM_JWT_SECRET") or self._secret(
            "jwt-secret", secrets.token_urlsafe(48)
        )

    def master_key(self) -> str:
        """Return CRM_MASTER_KEY, or a key that is created once: without it, no data is readable."""
        new = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
        return os.environ.get("CRM_MASTER_KEY") or self._secret("master-key", new)

    def _secret(self, name: str, new: str) -> str:
        """Return the content of a private file, which is created with `new`."""
        file = self.directory / name
        if not file.exists():
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as out:
                out.write(new)
        return file.read_text(encoding="ascii")
