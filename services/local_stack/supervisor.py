"""The supervisor, which restarts processes of the core after a crash."""

import time
from collections.abc import Callable, Sequence

from services.local_stack.core_process import CoreProcess
from services.local_stack.regular_check import RegularCheck

CHECK_SECONDS = 0.1


class ProcessSupervisor:
    """A thread that restarts processes; the pause grows with each crash in a row."""

    def __init__(self, processes: Sequence[CoreProcess], notice: Callable[[str], None]) -> None:
        self._processes = processes
        self._notice = notice
        self._regularly = RegularCheck(self._check_all, CHECK_SECONDS, "supervisor")

    def start(self) -> None:
        self._regularly.start()

    def stop(self) -> None:
        """Stop; after this nothing is restarted."""
        self._regularly.stop()

    def _check_all(self) -> None:
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
