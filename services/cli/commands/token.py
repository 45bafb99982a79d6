"""`crm token`: print a development token for the console's routes, as the host issues it."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID, uuid5

import jwt
from cyclopts import App, Parameter

from services.api.auth.bearer import ROLE
from services.runtime.database import connect
from services.runtime.settings import Settings
from services.runtime.terminal import Failure, examples, print_json

Role = Literal["admin", "manager", "viewer"]

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
    profile_id = asyncio.run(_ensure_profile(settings, property, org, role))
    claims = {
        "sub": str(profile_id),
        "aud": settings.jwt_audience,
        "role": ROLE,
        **({"iss": settings.jwt_issuer} if settings.jwt_issuer else {}),
        **({"email": email} if email else {}),
        **({"phone": phone} if phone else {}),
        "exp": datetime.now(UTC) + timedelta(hours=hours),
    }
    text = jwt.encode(claims, settings.jwt_secret.get_secret_value(), algorithm="HS256")
    if json:
        print_json({"token": text, "profile_id": profile_id, "role": role})
    else:
        sys.stdout.write(f"{text}\n")


async def _ensure_profile(
    settings: Settings, property_id: UUID | None, org_id: UUID | None, role: Role
) -> UUID:
    """Return the development user of an organisation and role; create the profile if needed.

    The id derives from both, so that a repetition returns the same user.
    """
    conn = await connect(settings, "crm token", role=None)
    try:
        organization: UUID | None = await conn.fetchval(
            "SELECT org_id FROM properties WHERE id = $1 "
            "UNION ALL SELECT id FROM organizations WHERE id = $2",
            property_id,
            org_id,
        )
        if organization is None:
            raise Failure(f"there is no property or organisation {property_id or org_id}")
        profile_id = uuid5(organization, f"development/{role}")
        await conn.execute(
            "INSERT INTO profiles (id, org_id, role, full_name) VALUES ($1, $2, $3, $4) "
            "ON CONFLICT (id) DO NOTHING",
            profile_id,
            organization,
            role,
            f"Development {role}",
        )
    finally:
        await conn.close()
    return profile_id
