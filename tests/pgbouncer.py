"""Debian's PgBouncer in transaction mode in front of the run's PostgreSQL server."""

import shutil
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from services.local_stack.account import allow_traversal, unprivileged_user
from services.local_stack.ports import HOST, free_port
from services.local_stack.server import ServerProcess

PROGRAM = shutil.which("pgbouncer")
START_SECONDS = 20.0
STOP_SECONDS = 5.0


class PgBouncer:
    """A pooler with few server connections, so that clients share sessions all the time."""

    def __init__(self, directory: Path, server_url: str, logins: dict[str, str], *,
                 sessions: int = 3, ignored: tuple[str, ...] = ()) -> None:  # fmt: skip
        self._directory, self._server = directory.resolve(), urlsplit(server_url)
        self._logins, self._sessions, self._ignored = logins, sessions, ignored
        self._port = free_port()
        self._process = ServerProcess(
            "PgBouncer", "pgbouncer", self._directory / "pid", self._directory / "log"
        )

    def start(self) -> None:
        """Start the pooler and wait until it accepts connections."""
        assert PROGRAM is not None
        self._directory.mkdir(parents=True)
        users = {**self._logins, str(self._server.username): unquote(self._server.password or "")}
        (self._directory / "users").write_text(
            "".join(f'"{name}" "{password}"\n' for name, password in users.items())
        )
        config = self._directory / "config.ini"
        config.write_text(self._configuration())
        user = unprivileged_user()
        command = [PROGRAM, "-q", str(config)]
        if user is not None:
            allow_traversal(user, config)
            shutil.chown(self._directory, user)
            command[1:1] = ["-u", user]
        self._process.launch(command, port=self._port, seconds=START_SECONDS)

    def stop(self) -> None:
        self._process.stop(STOP_SECONDS)

    def url(self, url: str) -> str:
        """Return the address of the same login and database through the pooler."""
        parts = urlsplit(url)
        login = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{login}@{HOST}:{self._port}"))

    def _configuration(self) -> str:
        return "\n".join([
            "[databases]",
            f"* = host={HOST} port={self._server.port}",
            "[pgbouncer]",
            f"listen_addr = {HOST}",
            f"listen_port = {self._port}",
            "unix_socket_dir =",
            "auth_type = trust",
            f"auth_file = {self._directory / 'users'}",
            "pool_mode = transaction",
            f"default_pool_size = {self._sessions}",
            "max_client_conn = 500",
            "server_idle_timeout = 5",
            "server_round_robin = 1",
            f"ignore_startup_parameters = {', '.join(('extra_float_digits', *self._ignored))}",
            "",
        ])  # fmt: skip


def is_installed() -> bool:
    """Return whether the program exists and can be executed."""
    return (
        PROGRAM is not None
        and not subprocess.run([PROGRAM, "--version"], check=False, capture_output=True).returncode
    )
