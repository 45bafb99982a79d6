"""`crm token`: print a development token for the console's routes, as the host issues it."""

import asyncio
import sys
from typing import Annotated
from uuid import UUID

from cyclopts import App, Parameter

from services.api.console.links import make_session_token
from services.cli.development_users import Role, ensure_user
from services.runtime.settings import Settings
from services.runtime.terminal import Failure, examples, print_json

app = App(
    name="token",
    help_epilogue=examples(
        "crm token --property PROPERTY_ID",
        "crm token --org ORG_ID --role admin",
        "crm token --org ORG_ID --email you@example.com   # to send templates to yourself",
        'curl -H "Authorization: Bearer $(crm token --property ID)" http://127.0.0.1:8080/api/...',
    ),
    help_format="plaintext",
)


@app.default
def token(
    *,
    property: Annotated[UUID | None, Parameter(help="A property of the organisation.")] = None,  # noqa: A002
    org: Annotated[UUID | None, Parameter(help="The id of the organisation.")] = None,
    role: Role = "manager",
    email: Annotated[
        str | None, Parameter(help="The e-mail address of the user's account.")
    ] = None,
    phone: Annotated[str | None, Parameter(help="The phone number of the user's account.")] = None,
    hours: Annotated[float, Parameter(help="The validity in hours.")] = 12,
    json: bool = False,
) -> None:
    """Print a token of a development user with this role, who is created if needed."""
    if (property is None) == (org is None):
        raise Failure("give either --property or --org")
    settings = Settings()
    if settings.jwt_secret is None:
        raise Failure("CRM_JWT_SECRET is not set: start the stack with `crm up`, or set it")
    profile_id = asyncio.run(ensure_user(settings, property, org, role))
    text = make_session_token(
        settings, settings.jwt_secret.get_secret_value(), profile_id, hours=hours, email=email,
        phone=phone,
    )  # fmt: skip
    if json:
        print_json({"token": text, "profile_id": profile_id, "role": role})
    else:
        sys.stdout.write(f"{text}\n")
