"""`crm console`: open the console in a browser, signed in by a link that works once."""

import asyncio
import webbrowser
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID, uuid4

from cyclopts import App, Parameter

from services.api.console.links import LINK_MINUTES, make_link_token
from services.api.console.sign_in_address import PATH
from services.cli.development_users import Role, ensure_user, find_property
from services.runtime.settings import Settings
from services.runtime.stack_state import home_directory, read_state
from services.runtime.terminal import Failure, examples, note, print_line

app = App(
    name="console",
    help_epilogue=examples(
        "crm console",
        "crm console --property PROPERTY_ID --role viewer",
        "crm console --operator            # the pipeline of the whole installation",
        "crm console --no-open             # only print the link",
    ),
    help_format="plaintext",
)


@app.default
def console(
    *,
    property: Annotated[  # noqa: A002
        UUID | None, Parameter(help="A property of the organisation; by default the oldest.")
    ] = None,
    role: Role = "admin",
    operator: Annotated[bool, Parameter(help="Also show the whole installation.")] = False,
    open: Annotated[bool, Parameter(help="Open a browser.")] = True,  # noqa: A002
) -> None:
    """Print a link that signs a development user in, and open it in a browser."""
    settings = Settings()
    if settings.jwt_secret is None:
        raise Failure("CRM_JWT_SECRET is not set: start the stack with `crm up`, or set it")
    chosen = property or asyncio.run(find_property(settings))
    if chosen is None and not operator:
        raise Failure("there is no property yet: create one with `crm property create`")
    user = uuid4() if chosen is None else asyncio.run(ensure_user(settings, chosen, None, role))
    link = make_link_token(settings.jwt_secret.get_secret_value(), user, operator=operator)
    state = read_state(home_directory())
    api_url = state.api_url if state else f"http://{settings.http_host}:{settings.http_port}"
    address = f"{api_url}{PATH}?{urlencode({'link': link})}"
    print_line(address)
    note(f"the link works once, within {LINK_MINUTES} minutes")
    if open and not webbrowser.open(address):
        note("no browser could be opened: open the link yourself")
