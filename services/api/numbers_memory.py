"""The memory of responses with numbers, of one process."""

from collections import OrderedDict
from collections.abc import Hashable

KEPT_SECONDS = 30.0
MAX_RESPONSES = 500


class NumbersMemory:
    """The responses that were made in the last seconds. `now` is a monotonic time in seconds."""

    def __init__(self) -> None:
        self._found: OrderedDict[Hashable, tuple[float, bytes]] = OrderedDict()

    def find(self, key: Hashable, now: float) -> tuple[bytes, float] | None:
        """Return a response that is not too old, and its age in seconds."""
        made_at, content = self._found.get(key, (now - KEPT_SECONDS, b""))
        age = now - made_at
        return (content, age) if age < KEPT_SECONDS else None

    def keep(self, key: Hashable, content: bytes, now: float) -> None:
        """Remember a response, and forget the oldest one if there are too many."""
        self._found[key] = (now, content)
        self._found.move_to_end(key)
        while len(self._found) > MAX_RESPONSES:
            self._found.popitem(last=False)
