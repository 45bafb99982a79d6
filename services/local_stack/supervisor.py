"""The supervisor, which restarts processes of the core after a crash."""

import threading
import time
from collections.abc import Callable, Sequence

from services.local_stack.core_process import CoreProcess

CHECK_SECONDS = 0.1


class ProcessSupervisor:
    """A thread that restarts processes; the pause grows with each crash in a row."""

    def __init__(self, processes: Sequence[CoreProcess], notice: Callable[[str], None]) -> None:
        self._processes = processes
        self._notice = notice
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop; after this nothing is restarted."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(CHECK_SECONDS):
            for process in self._processes:
                with process.lock:
                    self._check(process)

    def _check(self, process: CoreProcess) -> None:
        if not process.should_run or process.is_running or process.has_given_up:
            return
        now = time.monotonic()
        if process.restart_at is None:
            self._notice(process.plan_restart(now))
        elif now >= process.restart_at:
            process.start()
