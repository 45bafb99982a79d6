"""Requests to the OpenID Connect provider: its discovery document, its tokens and its keys."""

import asyncio
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2
import orjson

from services.api.context import ApiContext
from services.api.problems import Problem
from services.runtime.logging import get_logger
from services.runtime.settings import Settings

TIMEOUT_SECONDS = 5.0
"""Longest time for one response of the provider."""
MAX_BODY_BYTES = 262_144
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
REFUSED_CODE = "invalid_grant"
"""The error of a token endpoint that means: the code was used, is too old, or was never issued."""

log = get_logger("oidc")


async def load_document(context: ApiContext) -> dict[str, Any]:
    """Return the discovery document of the issuer, as it was a short time ago.

    Raise 503 if the issuer does not answer, or if the document is that of another issuer.
    """
    issuer = context.settings.console_oidc_issuer or ""

    async def fetch() -> dict[str, Any]:
        address = issuer.rstrip("/") + "/.well-known/openid-configuration"
        document = await _fetch_object("GET", address)
        are_usable = all(_is_usable(document.get(name), issuer) for name in ENDPOINTS)
        if document.get("issuer") != issuer or not are_usable:
            log.error("oidc.document_refused", issuer=issuer, found=document.get("issuer"))
            raise _unavailable()
        return document

    document = await context.oidc_documents.load(issuer, fetch)
    assert document is not None  # noqa: S101 — `fetch` raises instead
    return document


async def fetch_keys(document: dict[str, Any]) -> dict[str, Any]:
    """Return the key set of the issuer. Raise 503."""
    return await _fetch_object("GET", document["jwks_uri"])


async def fetch_tokens(
    settings: Settings, document: dict[str, Any], fields: dict[str, str]
) -> dict[str, Any]:
    """Return the response of the token endpoint.

    Raise 401 if it refuses the code, and 503 if it does not answer or refuses this client.
    """
    client_id, secret = settings.console_oidc_client_id or "", settings.console_oidc_client_secret
    form, basic = {**fields, "client_id": client_id}, None
    if secret:
        methods = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if "client_secret_basic" in methods:
            # RFC 6749, 2.3.1: both parts are encoded before they are joined.
            basic = httpx2.BasicAuth(
                quote(client_id, safe=""), quote(secret.get_secret_value(), safe="")
            )
        else:
            form["client_secret"] = secret.get_secret_value()
    return await _fetch_object("POST", document["token_endpoint"], form, basic)


def refused(message: str) -> Problem:
    """Return the problem of a person who is not signed in."""
    return Problem(401, "unauthenticated", message)


async def _fetch_object(
    method: str, address: str, form: dict[str, str] | None = None,
    basic: httpx2.BasicAuth | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return the JSON object of a response."""
    try:
        async with (
            asyncio.timeout(TIMEOUT_SECONDS),
            httpx2.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False) as client,
            client.stream(method, address, data=form, auth=basic) as response,
        ):
            document = orjson.loads(await _read_body(response))
    except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, ValueError) as error:
        log.warning("oidc.issuer_unavailable", address=address, error=error)
        raise _unavailable() from None
    if response.status_code == 200 and isinstance(document, dict):
        return document
    code = document.get("error") if isinstance(document, dict) else None
    if response.status_code == 400 and code == REFUSED_CODE:
        raise refused("the identity provider refused this sign-in: sign in again")
    log.error("oidc.request_refused", address=address, status=response.status_code, code=code)
    raise _unavailable()


async def _read_body(response: httpx2.Response) -> bytes:
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise ValueError(f"the response is longer than {MAX_BODY_BYTES} bytes")
    return bytes(body)


def _is_usable(address: object, issuer: str) -> bool:
    """Return whether an endpoint is an address; of an issuer with TLS, one with TLS."""
    if not isinstance(address, str) or not urlsplit(address).hostname:
        return False
    scheme = urlsplit(address).scheme
    return scheme == "https" or (scheme == "http" and urlsplit(issuer).scheme == "http")


def _unavailable() -> Problem:
    return Problem(
        503, "unavailable",
        "the identity provider does not answer as it should: try again later, or tell an operator",
    )  # fmt: skip
