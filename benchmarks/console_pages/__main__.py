"""`python -m benchmarks.console_pages`: measure every page of the console, and print a table."""

import asyncio
from pathlib import Path

from cyclopts import App
from rich.console import Console
from rich.progress import Progress

from benchmarks.console_pages.report import as_markdown, misses, show_pages
from benchmarks.console_pages.rounds import measure_pages, prepare_site
from benchmarks.console_pages.site import QUICK_SITE, SiteSize
from benchmarks.servers import BenchmarkServers, run_servers
from services.runtime.logging import configure_logging
from services.runtime.migrations import migrate

app = App(name="console_pages", help_format="plaintext")


@app.default
def measure(
    *, quick: bool = False, requests: int = 40, only: str = "", markdown: Path | None = None
) -> None:
    """Measure all pages for a property with 100,000 of a million leads.

    Parameters
    ----------
    quick
        Use 2,000 of 20,000 leads.
    requests
        The measured requests for each page.
    only
        Measure only pages with this text in their names.
    markdown
        The file for the table.
    """
    configure_logging("bench", form="console", level="error")
    size = QUICK_SITE if quick else SiteSize()
    with run_servers() as servers:
        asyncio.run(_measure(servers, size, requests, only, markdown))


async def _measure(
    servers: BenchmarkServers, size: SiteSize, requests: int, only: str, markdown: Path | None
) -> None:
    database = await servers.database()
    await asyncio.to_thread(migrate, servers.url(database))
    settings = servers.settings(database, "pages")
    site = await prepare_site(settings, size)
    log = servers.log
    with Progress(console=Console(stderr=True), transient=True) as progress:
        results, statics = await measure_pages(settings, site, requests, log, progress, only)
    await servers.drop_all()
    show_pages(results, statics, f"{size.in_large_property:,} of {size.leads:,} leads, in ms")
    for problem in misses(results, statics):
        print("missed:", problem)
    if markdown is not None:
        markdown.write_text(as_markdown(results, statics) + "\n", encoding="utf-8")


if __name__ == "__main__":
    app()
