"""The routes of the reference of events. They are public: the contract contains no data."""

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from services.api.console.page import HEADERS
from services.api.console.templating import render_template
from services.api.docs_page.event_reference import (
    describe_event,
    encoded_document,
    list_attributes,
    list_channels,
    list_events,
)
from services.api.problems import not_found

LIST_PATH = "/docs/events"


def event_routes() -> list[Route]:
    """Return the routes of the list, of each event, and of the AsyncAPI document."""
    return [
        Route(LIST_PATH, _show_list),
        Route(LIST_PATH + ".json", _get_document),
        Route(LIST_PATH + "/{name}", _show_event),
    ]


async def _show_list(_request: Request) -> Response:
    streams = list_events()
    text = render_template(
        "event_list.html", streams=streams, channels=list_channels(), attributes=list_attributes(),
        count=sum(map(len, streams.values())),
    )  # fmt: skip
    return HTMLResponse(text, headers=HEADERS)


async def _show_event(request: Request) -> Response:
    event = describe_event(request.path_params["name"])
    if event is None:
        raise not_found("event")
    return HTMLResponse(render_template("event_reference.html", event=event), headers=HEADERS)


async def _get_document(_request: Request) -> Response:
    return Response(encoded_document(), media_type="application/json")
