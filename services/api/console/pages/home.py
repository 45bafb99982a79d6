"""The start of the console: the page on which a person begins to work."""

from starlette.responses import RedirectResponse, Response

from services.api.console.endpoints import page_route
from services.api.console.page import Page


async def show_home(page: Page) -> Response:
    """Lead an agent to today's work, and an operator to the pipeline."""
    if page.links:
        return RedirectResponse(page.links[0].path, 303)
    return page.render("no_property.html")


ROUTES = (page_route("", show_home),)
