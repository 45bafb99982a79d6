"""Route of the leads that may be the same person, because they have the same contact details."""

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from events.fields import Line
from projections import lead_list
from services.api.auth.console_authentication import ConsoleReader
from services.api.auth.row_security import read_as
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.current_scores import add_current_scores
from services.api.error_codes import NOT_FOUND, error_responses
from services.api.property_lookup import find_person, load_country, load_surviving_lead
from services.api.reading import PreparedQuery, QueryRunner
from services.api.responses import json_response
from services.api.schemas.contact_matches import ContactMatchesResponse
from services.api.schemas.schema import BLANK_TO_NONE, LeadId
from services.application.leads import read_contact_claims
from services.deciders.contacts import email_key, normalize_email, normalize_phone, phone_key
from services.deciders.decider import Refused

MAX_MATCHES = 10
_WITH_CONTACT = {
    column: PreparedQuery(
        lead_list.ids_with_contact, "property_id", "value", "limit", column=column
    )
    for column in ("email", "phone")
}

router = APIRouter(prefix="/api/leads/{lead_id}/contact-matches", tags=["leads"])


@router.get(
    "", summary="List other leads with the same contact details",
    response_model=ContactMatchesResponse, responses=error_responses(NOT_FOUND),
    dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def list_contact_matches(
    request: Request,
    caller: ConsoleReader,
    lead_id: LeadId,
    email: Annotated[Line | None, BLANK_TO_NONE, Query()] = None,
    phone: Annotated[Line | None, BLANK_TO_NONE, Query()] = None,
) -> Response:
    """Return at most ten other leads of the property with the e-mail address or the phone number.

    Without both parameters, they are those of the lead. A text that identifies nobody, such as
    `none@example.invalid` or a number with an extension, has no matches.
    """
    context = context_of(request)
    async with read_as(context.pool, caller.claims) as conn:
        lead = await load_surviving_lead(conn, caller, lead_id)
        country = await load_country(conn, lead["property_id"])
    if email is None and phone is None:
        email, phone = lead["email"], lead["phone"]
    address = _normalize(lambda: normalize_email(email))
    number = phone_key(_normalize(lambda: normalize_phone(phone, country)))
    if email_key(address) is None:
        address = None
    async with context.pool.acquire() as pool_conn:
        claims = await read_contact_claims(pool_conn, lead["property_id"], address, number)
    async with read_as(context.pool, caller.claims) as conn:
        found = await _find_in_table(conn, lead["property_id"], address, number)
        for owner in claims.values():
            # The lead that claimed a contact may be a part of another one since.
            person = await find_person(conn, caller, owner)
            found |= {person["id"]} if person else set()
        found -= set(lead["members"])
        query = lead_list.listed(lead["property_id"], sorted(found), MAX_MATCHES)
        rows = [dict(row) for row in await conn.all(query)] if found else []
        leads = await add_current_scores(conn, lead["property_id"], rows, context.clock.now())
    return json_response({"leads": leads})


async def _find_in_table(
    conn: QueryRunner, property_id: UUID, email: str | None, phone: str | None
) -> set[UUID]:
    """Return leads with a contact that another lead has claimed before, and the lead itself."""
    searched = [("email", email), ("email", email_key(email)), ("phone", phone)]
    return {
        row.id
        for column, value in dict.fromkeys(searched)
        if value
        for row in await conn.all(_WITH_CONTACT[column](
            property_id=property_id, value=value, limit=MAX_MATCHES + 1
        ))
    }  # fmt: skip


def _normalize(normalize: Callable[[], str | None]) -> str | None:
    """Return a normalised contact; None for a text that is none."""
    try:
        return normalize()
    except Refused:
        return None
