"""Routes of pages and of their forms: sign-in, errors and refusals are the same for all."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID, uuid4

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from services.api.console.api_calls import ApiCalls, ApiRefused
from services.api.console.compression import accepts_gzip, compress_response
from services.api.console.cookies import set_cookie
from services.api.console.forms import Done, Form, read_form, read_result, redirect_after
from services.api.console.menu import PropertyChoice
from services.api.console.own_writes import is_write_shown, wait_seconds_for
from services.api.console.page import (
    COOKIE_SECONDS,
    HEADERS,
    PROPERTY_COOKIE,
    Page,
    require_operator,
)
from services.api.console.same_origin import require_same_origin
from services.api.console.shared_responses import SharedResponses, read_position
from services.api.console.sign_in_address import sign_in_address
from services.api.console.table_age import TableAge
from services.api.console.templating import render_template
from services.api.console.viewers import Viewer, find_viewer
from services.api.problems import UNAVAILABLE_ERRORS, Problem, not_found, problem_from_error
from services.deciders.decider import Refused
from services.deciders.local_time import zone_or_utc

Show = Callable[[Page], Awaitable[Response]]
Prepare = Callable[[Page], Awaitable[dict[str, Any]]]
"""A function that returns what a form shows before it is sent: what will change, and choices."""
Perform = Callable[[Page, Form], Awaitable[Done]]
PREFIX = "/console"


def page_route(
    path: str, show: Show, *, is_personal: bool = True, for_operators: bool = False
) -> Route:
    """Return the route of a page. `path` is relative to /console.

    `is_personal`: the page shows something else to each person. Otherwise, people of an
    organisation with the same role share what one of them reads after a change.
    `for_operators`: others are refused.
    """

    async def show_to_operators(page: Page) -> Response:
        require_operator(page)
        return await show(page)

    handle = show_to_operators if for_operators else show

    async def get_page(request: Request) -> Response:
        return await _answer(request, handle, is_personal=is_personal)

    return Route(PREFIX + path, get_page, methods=["GET"], name=show.__name__)


def form_route(
    path: str, template: str, prepare: Prepare, perform: Perform, *,
    for_operators: bool = False, for_readers: bool = False,
) -> Route:  # fmt: skip
    """Return the route of a form: GET shows what it will do, POST does it once.

    A form that is refused is shown again with the reason and what was entered. `for_operators`
    says that the form acts on the whole installation, otherwise it needs a manager or an admin.
    `for_readers`: it changes nothing that others see, and `prepare` and `perform` check the person.
    """

    def require(page: Page) -> None:
        _require_actions(page)
        if not for_readers:
            _require_actor(page, for_operators)

    async def show(page: Page) -> Response:
        require(page)
        return await _show_form(page, template, prepare, {}, None)

    async def submit(page: Page) -> Response:
        require_same_origin(page.request)
        require(page)
        form = await read_form(page.request)
        if not for_operators:
            page.api.reason = form.get("change_reason", "")
        try:
            done = await perform(page, form)
        except (ApiRefused, Problem, Refused) as error:
            return await _show_form(page, template, prepare, form, refusal_of(error))
        if done.link is None:
            done = page.add_event_link(done)
        unshown = page.result.token if page.result and not page.is_write_shown else None
        token = page.api.write_token or unshown
        event_id = next(iter(page.api.event_ids), None)
        response = redirect_after(page.request, done, token, event_id)
        for name, (value, cookie_path) in page.cookies.items():
            set_cookie(
                page.request, response, name, value, max_age=COOKIE_SECONDS, path=cookie_path
            )
        return response

    async def handle(request: Request) -> Response:
        return await _answer(request, submit if request.method == "POST" else show)

    return Route(PREFIX + path, handle, methods=["GET", "POST"], name=perform.__name__)


def command_id(form: Form) -> str:
    """Return the id with which a form is carried out once, however often it is sent."""
    try:
        return str(UUID(form.get("command_id", "")))
    except ValueError:
        return str(uuid4())


async def _show_form(
    page: Page, template: str, prepare: Prepare, form: Form, refused: ApiRefused | None
) -> Response:
    values = await prepare(page)
    status = 200 if refused is None else refused.status
    # A refusal is kept under its command id: the corrected form is another command. After a
    # failure (5xx) it is the same one, because it may have been carried out.
    is_refused = 400 <= status < 500
    return page.render(
        template, status, form=form, refused=refused,
        command_id=command_id({} if is_refused else form), **values,
    )  # fmt: skip


def _require_actions(page: Page) -> None:
    if not page.settings.console_actions:
        raise Problem(
            403, "actions_off",
            "this console only shows: CRM_CONSOLE_ACTIONS=false switches all its actions off",
        )  # fmt: skip


def _require_actor(page: Page, for_operators: bool) -> None:
    if for_operators and not page.can_operate:
        raise Problem(403, "forbidden", "only operators of the installation may do this")
    if not for_operators and not page.can_write:
        raise Problem(
            403, "forbidden",
            f"the role {page.viewer.role} may not do this: ask a user with role manager or admin",
        )  # fmt: skip


async def _answer(request: Request, handle: Show, *, is_personal: bool = True) -> Response:
    viewer: Viewer | None = None
    page: Page | None = None
    try:
        viewer = await find_viewer(request)
        if viewer is None:
            return _ask_to_sign_in(request)
        person = viewer

        async def make() -> Response:
            nonlocal page
            page = await open_page(request, person)
            choose_property(page)
            return compress_response(request, await handle(page))

        if (position := read_position(request)) is None:
            return await make()
        rights = viewer.rights(is_personal=is_personal)
        key = (request.url.path, request.url.query, rights, accepts_gzip(request))
        shared: SharedResponses = request.app.state.shared_responses
        return await shared.load(key, position, make)
    except Exception as error:  # an edge: what is no refusal is logged as for the API
        refused = refusal_of(error)
        if refused.status >= 500 and not isinstance(error, Problem | ApiRefused):
            raise
        response = await _error_page(request, viewer, page, refused)
        if isinstance(error, Problem):
            response.headers.update(error.headers)
        return response


async def open_page(request: Request, viewer: Viewer) -> Page:
    """Return the page of a request, with the properties that the person sees.

    It waits a moment until the tables contain the person's last write, and is shown without it
    otherwise.
    """
    result = read_result(request)
    api = ApiCalls(request.app.state.api_client, viewer.token)
    properties: list[PropertyChoice] = []
    if viewer.user is not None:
        found = await api.get("/api/properties")
        properties = [
            PropertyChoice(UUID(row["id"]), row["name"], zone_or_utc(row["time_zone"]))
            for row in found["properties"]
        ]
    page = Page(request, viewer, api, properties, None, result)
    last = request.cookies.get(PROPERTY_COOKIE)
    known = [choice for choice in properties if str(choice.id) == last]
    page.current = next(iter(known or properties), None)
    ages: TableAge = request.app.state.table_age
    page.table_age = await ages.load()
    # A part that is read again because of a change knows that the tables have changed.
    if result is not None and result.token and read_position(request) is None:
        seconds = wait_seconds_for(page.path)
        page.is_write_shown = await is_write_shown(page.context, result.token, seconds)
    return page


def choose_property(page: Page) -> None:
    """Make it the page of the property of its path, if it has one. Raise 404."""
    if (named := page.request.path_params.get("property_id")) is not None:
        page.at_property(page.id("property_id") if isinstance(named, str) else named)


def refusal_of(error: Exception) -> ApiRefused:
    """Return an error as the refusal that a page shows."""
    if isinstance(error, ApiRefused):
        return error
    if isinstance(error, HTTPException):
        return ApiRefused(error.status_code, {"code": "failed", "error": error.detail})
    problem = problem_from_error(error)
    details: Mapping[str, Any] = problem.details
    return ApiRefused(problem.status, {**details, "code": problem.code, "error": problem.message})


def _ask_to_sign_in(request: Request) -> Response:
    address = sign_in_address(request)
    if request.headers.get("hx-request") == "true":
        return Response(status_code=401, headers={"HX-Redirect": address, **HEADERS})
    if request.method != "GET":
        return HTMLResponse(
            render_template("signed_out.html", address=address), 401, headers=HEADERS
        )
    return RedirectResponse(address, 303)


async def _error_page(
    request: Request, viewer: Viewer | None, page: Page | None, refused: ApiRefused
) -> Response:
    """Return a page with the error, and the menu if the properties can be read."""
    if viewer is not None and page is None:
        try:
            page = await open_page(request, viewer)
        except (ApiRefused, Problem, *UNAVAILABLE_ERRORS):  # what failed before fails again
            api = ApiCalls(request.app.state.api_client, viewer.token)
            page = Page(request, viewer, api, [], None)
    text = render_template(
        "error.html", refused=refused, path=request.url.path, viewer=viewer, page=page,
        is_read=request.method == "GET",
    )  # fmt: skip
    return HTMLResponse(text, refused.status, headers=HEADERS)


async def get_unknown_page(request: Request) -> Response:
    """Answer an address of the console that no page has."""
    viewer = await find_viewer(request)
    return await _error_page(request, viewer, None, refusal_of(not_found("page")))
