"""A thread that calls a function regularly."""

import threading
from collections.abc import Callable


class RegularCheck:
    """A thread that calls `check` every `seconds` until it is stopped."""

    def __init__(self, check: Callable[[], None], seconds: float, name: str) -> None:
        self._check, self._seconds = check, seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Wait for the end of a running call; after this, `check` is not called again."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds):
            self._check()
