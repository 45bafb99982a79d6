"""Two browsers: the time until one shows what happened in the other, for many changes."""

import asyncio
import json
import random
import re
import statistics
from typing import Any

from tests.browser.conftest import OpenScreen
from tests.browser.log_events import read_events
from tests.browser.screens import SCREENSHOTS
from tests.services.api.site import Site

CHANGES = 24
MAX_MEDIAN_SECONDS = 1.0
PAGE_LOADS = 5
"""A change needs one read of the page. So the limit is at least this many loads of it: a machine
on which a load takes more than 0.2 s is overloaded, or too slow for the aim."""
NOTE_WHEN_SHOWN = """() => {
  window.shownAt = {};
  new MutationObserver(() => {
    const text = document.getElementById("lead").textContent;
    for (const change of text.match(/change-[0-9]+/g) || []) window.shownAt[change] ??= Date.now();
  }).observe(document.body, { childList: true, subtree: true });
}"""
LOAD_AGAIN = """async () => {
  const began = performance.now();
  await (await fetch(location.href)).text();
  return performance.now() - began;
}"""


async def test_the_other_browser_shows_a_change_within_a_second(
    site: Site, screen_of: OpenScreen
) -> None:
    lead = await site.create_lead(firstName="Ada")
    await site.project()
    async with screen_of(site.manager) as agent, screen_of(site.viewer) as colleague:
        for screen in (agent, colleague):
            await screen.open(f"/console/leads/{lead}")
            await screen.page.locator("#live[data-state=on]").wait_for()
        await colleague.page.evaluate(NOTE_WHEN_SHOWN)
        loads = []
        for number in range(CHANGES):
            # People do not write in step with the polls of the product.
            await asyncio.sleep(random.uniform(0, 0.5))
            await write_note(agent.page, str(lead), f"change-{number}")
            await colleague.page.get_by_text(re.compile(rf"change-{number}\b")).first.wait_for()
            loads.append(await colleague.page.evaluate(LOAD_AGAIN) / 1000)
        shown_at = await colleague.page.evaluate("window.shownAt")
    seconds = [
        shown_at[event["payload"]["description"]] / 1000 - event["recorded_at"].timestamp()
        for event in await read_events(site, "activity.recorded")
        if str(event["payload"]["description"]).startswith("change-")
    ]
    assert len(seconds) == CHANGES
    figures = {
        "median": statistics.median(seconds), "p95": statistics.quantiles(seconds, n=20)[-1],
        "max": max(seconds), "median_load": statistics.median(loads),
    }  # fmt: skip
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    (SCREENSHOTS / "live-changes.json").write_text(json.dumps(figures, indent=2), encoding="utf-8")
    limit = max(MAX_MEDIAN_SECONDS, PAGE_LOADS * figures["median_load"])
    assert figures["median"] <= limit, f"seconds from the commit until a change is shown: {figures}"


async def write_note(page: Any, lead: str, text: str) -> None:
    """Send the form of a note in the background, so that the page stays open."""
    status = await page.evaluate(
        """async ([path, text]) => {
          const body = new URLSearchParams({ command_id: crypto.randomUUID(), description: text });
          return (await fetch(path, { method: "POST", body })).status;
        }""",
        [f"/console/leads/{lead}/note", text],
    )
    assert status == 200
