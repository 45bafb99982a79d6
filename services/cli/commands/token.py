"""`crm token`: a development token for the console's routes, as the host's login would issue it."""

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
        'curl -H "Authorization: Bearer $(crm token --property ID)" http://127.0.0.1:8080/api/...',
    ),
    help_format="plaintext",
)


@app.default
def token(
    *,
    property: Annotated[UUID | None, Parameter(help="of whose organisation")] = None,  # noqa: A002
    org: Annotated[UUID | None, Parameter(help="the organisation itself")] = None,
    role: Role = "manager",
    hours: Annotated[float, Parameter(help="how long it is valid")] = 12,
    json: bool = False,
) -> None:
    """Make a person with this role where there is none, and print a token for them."""
    if (property is None) == (org is None):
        raise Failure("name a --property or an --org")
    settings = Settings()
    if settings.jwt_secret is None:
        raise Failure("CRM_JWT_SECRET is not set: start the stack with `crm up`, or set it")
    person = asyncio.run(_person(settings, property, org, role))
    claims = {
        "sub": str(person),
        "aud": settings.jwt_audience,
        "role": ROLE,
        **({"iss": settings.jwt_issuer} if settings.jwt_issuer else {}),
        "exp": datetime.now(UTC) + timedelta(hours=hours),
    }
    text = jwt.encode(claims, settings.jwt_secret.get_secret_value(), algorithm="HS256")
    if json:
        print_json({"token": text, "profile_id": person, "role": role})
    else:
        sys.stdout.write(f"{text}\n")


async def _person(
    settings: Settings, property_id: UUID | None, org_id: UUID | None, role: Role
) -> UUID:
    """The organisation's development person of this role; its id derives from both."""
    conn = await connect(settings, "crm token", role=None)
    try:
        found: UUID | None = await conn.fetchval(
            "SELECT org_id FROM properties WHERE id = $1 "
            "UNION ALL SELECT id FROM organizations WHERE id = $2",
            property_id,
            org_id,
        )
        if found is None:
            raise Failure(f"there is no {property_id or org_id}")
        person = uuid5(found, f"development/{role}")
        await conn.execute(
            "INSERT INTO profiles (id, org_id, role, full_name) VALUES ($1, $2, $3, $4) "
            "ON CONFLICT (id) DO NOTHING",
            person,
            found,
            role,
            f"Development {role}",
        )
    finally:
        await conn.close()
    return person
