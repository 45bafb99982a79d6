"""Parts of a page that are read at the same time: one that fails does not take the page with it."""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any

from services.api.console.api_calls import ApiRefused


@dataclass(frozen=True, slots=True)
class Parts:
    """Name → what was read, and name → why a part could not be read."""

    bodies: Mapping[str, Any]
    failures: Mapping[str, str]

    def get(self, name: str, field: str, default: Any) -> Any:
        """Return a field of a part, or `default` if the part could not be read."""
        return self.bodies[name][field] if name in self.bodies else default


async def read_parts(reads: Mapping[str, Awaitable[Any]]) -> Parts:
    """Await all reads together. Raise what is no refusal of the API."""
    results = await asyncio.gather(*reads.values(), return_exceptions=True)
    bodies, failures = {}, {}
    for name, result in zip(reads, results, strict=True):
        if isinstance(result, ApiRefused):
            failures[name] = result.message
        elif isinstance(result, BaseException):
            raise result
        else:
            bodies[name] = result
    return Parts(bodies, failures)
