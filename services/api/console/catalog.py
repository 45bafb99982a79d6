"""The catalog of pages: the only list that a new page's routes are added to."""

from starlette.routing import BaseRoute, Route

from services.api.console.assets import asset_routes
from services.api.console.endpoints import PREFIX, get_unknown_page
from services.api.console.live import live_route
from services.api.console.pages import (
    closed_days,
    conversations,
    dead_letters,
    events,
    home,
    insights,
    lead,
    lead_actions,
    lead_details,
    lead_merges,
    lead_views,
    leads,
    messages,
    parked_events,
    pipeline,
    projections,
    redrive_previews,
    refused,
    runs,
    templates,
    today,
    tour,
    tour_bookings,
    tours,
    widget,
    workflow,
    workflow_actions,
    workflows,
)
from services.api.console.sign_in import sign_in_routes

PAGES: tuple[Route, ...] = (
    *home.ROUTES,
    *today.ROUTES,
    *leads.ROUTES,
    *lead_views.ROUTES,
    *lead.ROUTES,
    *conversations.ROUTES,
    *insights.ROUTES,
    *lead_actions.ROUTES,
    *lead_details.ROUTES,
    *lead_merges.ROUTES,
    *tours.ROUTES,
    *tour.ROUTES,
    *tour_bookings.ROUTES,
    *closed_days.ROUTES,
    *workflows.ROUTES,
    *workflow.ROUTES,
    *workflow_actions.ROUTES,
    *runs.ROUTES,
    *templates.ROUTES,
    *messages.ROUTES,
    *widget.ROUTES,
    *pipeline.ROUTES,
    *projections.ROUTES,
    *redrive_previews.ROUTES,
    *dead_letters.ROUTES,
    *parked_events.ROUTES,
    *refused.ROUTES,
    *events.ROUTES,
)


def console_routes() -> list[BaseRoute]:
    """Return all routes of the console."""
    return [
        *asset_routes(), *sign_in_routes(), live_route(), *PAGES,
        Route(PREFIX + "/{rest:path}", get_unknown_page),
    ]  # fmt: skip
