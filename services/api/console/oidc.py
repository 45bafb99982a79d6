"""OpenID Connect: the authorization code flow with PKCE, as a client of the configured issuer.

The token that becomes the session is one that the API itself accepts. So a person has the same
rights in the console and in the API.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import jwt

from services.api.auth.console_authentication import find_console_user, identify_bearer
from services.api.console.oidc_provider import fetch_keys, fetch_tokens, load_document, refused
from services.api.context import ApiContext
from services.runtime.settings import Settings

SCOPE = "openid email"
ALGORITHMS = ("ES256", "RS256")
LEEWAY_SECONDS = 10
MAX_TOKEN_LENGTH = 3_800
"""A browser keeps no cookie of more than 4,096 bytes."""
TOKENS = ("access_token", "id_token")
"""The tokens of the issuer, in the order in which they are tried as the session's token."""
REQUIRED_CLAIMS = ("exp", "iat", "sub", "aud", "iss", "nonce")


@dataclass(frozen=True, slots=True)
class SignInAttempt:
    """The secrets of one attempt to sign in, which only the person's browser keeps.

    `state` ties the answer to this browser, `nonce` the ID token to this attempt, and `verifier`
    the code to this client.
    """

    state: str
    nonce: str
    verifier: str
    next_path: str

    @classmethod
    def begin(cls, next_path: str) -> "SignInAttempt":
        """Return an attempt with new secrets."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        return cls(state, nonce, verifier, next_path)

    @property
    def challenge(self) -> str:
        """The SHA-256 of the verifier, which PKCE sends first (RFC 7636)."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def is_configured(settings: Settings) -> bool:
    """Return whether people sign in with OpenID Connect."""
    return settings.console_oidc_issuer is not None and settings.console_oidc_client_id is not None


async def authorization_address(
    context: ApiContext, attempt: SignInAttempt, redirect_uri: str
) -> str:
    """Return the address of the issuer at which the person signs in. Raise 503."""
    endpoint = (await load_document(context))["authorization_endpoint"]
    query = urlencode({
        "response_type": "code", "client_id": context.settings.console_oidc_client_id,
        "redirect_uri": redirect_uri, "scope": SCOPE, "state": attempt.state,
        "nonce": attempt.nonce, "code_challenge": attempt.challenge,
        "code_challenge_method": "S256",
    })  # fmt: skip
    return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{query}"


async def exchange_code(
    context: ApiContext, attempt: SignInAttempt, code: str, redirect_uri: str
) -> str:
    """Return the session's bearer token for a code of the issuer.

    Raise 401 if the issuer refuses the code, if the ID token is not for this attempt, or if the
    API accepts none of the tokens; 503 if the issuer does not answer.
    """
    document = await load_document(context)
    fields = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri,
        "code_verifier": attempt.verifier,
    }  # fmt: skip
    tokens = await fetch_tokens(context.settings, document, fields)
    keys = await fetch_keys(document)
    subject = _check_id_token(context.settings, attempt, tokens.get("id_token"), keys)
    return await _choose_token(context, tokens, subject)


def _check_id_token(
    settings: Settings, attempt: SignInAttempt, token: object, keys: dict[str, Any]
) -> str:
    """Return the subject of an ID token.

    Raise 401 unless the issuer made the token for this client and this attempt.
    """
    try:
        key_id = jwt.get_unverified_header(str(token)).get("kid")
        key = next(key for key in jwt.PyJWKSet.from_dict(keys).keys if key.key_id == key_id)
        claims = jwt.decode(
            str(token), key, algorithms=ALGORITHMS, audience=settings.console_oidc_client_id,
            issuer=settings.console_oidc_issuer, options={"require": list(REQUIRED_CLAIMS)},
            leeway=LEEWAY_SECONDS,
        )  # fmt: skip
    except (jwt.PyJWTError, StopIteration, ValueError, TypeError, AttributeError):
        raise refused("the ID token of the identity provider is not valid: sign in again") from None
    audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    is_own = len(audiences) == 1 or claims.get("azp") == settings.console_oidc_client_id
    is_of_attempt = hmac.compare_digest(str(claims["nonce"]).encode(), attempt.nonce.encode())
    if not is_own or not is_of_attempt:
        raise refused("the ID token belongs to another sign-in: sign in again")
    return str(claims["sub"])


async def _choose_token(context: ApiContext, tokens: dict[str, Any], subject: str) -> str:
    """Return the first token that the API accepts. Raise 401 if it accepts none.

    It must be a token of the person of the ID token: only this one is tied to the attempt.
    """
    for name in TOKENS:
        token = tokens.get(name)
        if not isinstance(token, str) or len(token) > MAX_TOKEN_LENGTH:
            continue
        identity = await identify_bearer(context, token)
        if identity is None or str(identity.user_id) != subject.lower():
            continue
        if not identity.is_operator and await find_console_user(context, identity) is None:
            raise refused("you have no profile in an organisation: ask an admin for one")
        return token
    raise refused(
        "the API accepts no token of the identity provider: tell an operator, who compares them "
        "with the page about signing in"
    )
