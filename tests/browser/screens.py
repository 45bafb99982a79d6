"""A browser's window with a signed-in person: what it shows, and what no page may do."""

import functools
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from services.api.console.viewers import COOKIE

ROOT = Path(__file__).parents[2]
SCREENSHOTS = Path(os.environ.get("CRM_TEST_SCREENSHOTS") or ROOT / "build" / "screenshots")
WIDE, NARROW = 1280, 390
HEIGHT = 860
LIMIT_MS = 10_000
READ_AXE_FINDINGS = """async () => (await axe.run(document)).violations.flatMap(
    (rule) => rule.nodes.map((node) => `${rule.id}: ${node.target} ${node.failureSummary}`)
)"""


@dataclass
class Screen:
    """A page of a browser. `findings` are errors of scripts and requests to other hosts."""

    page: Any
    address: str
    findings: list[str] = field(default_factory=list)

    async def open(self, path: str) -> int:
        """Open a page of the site and return its status."""
        response = await self.page.goto(self.address + path, wait_until="load")
        return int(response.status)

    async def answer(self) -> str:
        """Return the sentence that answers: the text of the first heading."""
        return " ".join((await self.page.locator("h1").first.inner_text()).split())

    async def find_barriers(self) -> list[str]:
        """Return what axe finds: barriers for people who see, hear or move in other ways."""
        await self.page.evaluate(read_axe())
        return list(await self.page.evaluate(READ_AXE_FINDINGS))

    async def overflow(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(await self.page.evaluate(width))

    async def save(self, name: str, *, full_page: bool = False) -> None:
        """Save a screenshot as an artefact of the run."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(
            path=SCREENSHOTS / f"{name}.png", animations="disabled", full_page=full_page
        )


@asynccontextmanager
async def open_screen(
    browser: Any, address: str, token: str | None, *, theme: str = "light", width: int = WIDE,
    scripts: bool = True,
) -> AsyncIterator[Screen]:  # fmt: skip
    """Open a window of its own, in which the person of a token is signed in.

    At the end, fail with all errors of scripts and all requests to other hosts. What a failed test
    saw is saved too.
    """
    context = await browser.new_context(
        viewport={"width": width, "height": HEIGHT}, color_scheme=theme,
        java_script_enabled=scripts, reduced_motion="reduce",
    )  # fmt: skip
    context.set_default_timeout(LIMIT_MS)
    if token is not None:
        await context.add_cookies([{"name": COOKIE, "value": token, "url": address + "/console"}])
    screen = Screen(await context.new_page(), address)
    _watch(context, screen)
    try:
        yield screen
    except Exception:
        await screen.save(f"failed-{uuid4()}", full_page=True)
        raise
    finally:
        await context.close()
    assert screen.findings == []


def _watch(context: Any, screen: Screen) -> None:
    """Collect errors of scripts, errors in the console, and requests to other hosts."""
    host = urlsplit(screen.address).netloc

    def check_request(request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob", "about") and parts.netloc != host:
            screen.findings.append(f"request to another host: {request.url}")

    def check_message(message: Any) -> None:
        if message.type == "error":
            screen.findings.append(f"console: {message.text} ({message.location})")

    context.on("request", check_request)
    context.on("console", check_message)
    context.on("weberror", lambda error: screen.findings.append(f"script: {error.error}"))


@functools.cache
def read_axe() -> str:
    """Return the text of axe-core. It is evaluated: a page's policy would refuse a script tag."""
    return (Path(__file__).parent / "axe.min.js").read_text(encoding="utf-8")
