"""Bearer tokens of console users: JWTs as Supabase issues them, verified by secret or public key.

HS256 is verified with the secret only, ES256 and RS256 with the keys of the issuer's JWKS only.
So a token cannot choose the key that verifies it.
"""

from typing import Any, NamedTuple
from uuid import UUID

import jwt
from jwt import PyJWK

from services.api.auth.issuer_keys import IssuerKeys, UnknownKey
from services.runtime.settings import Settings

ROLE = "authenticated"
OPERATOR = "operator"
LEEWAY_SECONDS = 10
MAX_TOKEN_LENGTH = 8_192
MAX_KEY_ID_LENGTH = 200
_KEY_TYPES = {"ES256": "EC", "RS256": "RSA"}
"""Algorithm → type of its key."""


class InvalidBearerToken(Exception):
    """A token that is malformed, forged, expired or made for another audience."""


class BearerIdentity(NamedTuple):
    """The user of a token, with the e-mail address and the phone number of the user's account.

    The issuer has verified them. An account may lack one. Operators work for the installation, not
    for one organisation.
    """

    user_id: UUID
    email: str | None
    phone: str | None
    is_operator: bool = False


class BearerVerifier:
    """A verifier of bearer tokens by the secret of the settings or the issuer's public keys."""

    def __init__(self, settings: Settings) -> None:
        secret = settings.jwt_secret
        self._secret = secret.get_secret_value() if secret else None
        self._keys = IssuerKeys(settings) if settings.jwks_url else None
        self._audience, self._issuer = settings.jwt_audience, settings.jwt_issuer

    async def identify(self, token: str) -> BearerIdentity:
        """Return the user of a token.

        Raise `InvalidBearerToken`, or 503 if the issuer's keys cannot be fetched.
        """
        if len(token) > MAX_TOKEN_LENGTH:
            raise InvalidBearerToken
        try:
            header = jwt.get_unverified_header(token)
            algorithm = str(header.get("alg"))
            key = await self._find_key(algorithm, header.get("kid"))
            claims = self._verify(token, key, algorithm)
            if claims.get("role") != ROLE:
                raise InvalidBearerToken
            return BearerIdentity(
                UUID(claims["sub"]), _text(claims.get("email")), _text(claims.get("phone")),
                _is_operator(claims.get("app_metadata")),
            )  # fmt: skip
        except (
            UnknownKey, jwt.PyJWTError, ValueError, TypeError, AttributeError, RecursionError
        ):  # fmt: skip
            raise InvalidBearerToken from None

    async def _find_key(self, algorithm: str, key_id: object) -> str | PyJWK:
        if algorithm == "HS256" and self._secret is not None:
            return self._secret
        if self._keys is None or algorithm not in _KEY_TYPES:
            raise InvalidBearerToken
        if not isinstance(key_id, str) or not 0 < len(key_id) <= MAX_KEY_ID_LENGTH:
            raise InvalidBearerToken
        key = await self._keys.find(key_id)
        if key.key_type != _KEY_TYPES[algorithm] or key.algorithm_name != algorithm:
            raise InvalidBearerToken
        return key

    def _verify(self, token: str, key: str | PyJWK, algorithm: str) -> dict[str, Any]:
        return jwt.decode(
            token, key, algorithms=[algorithm], audience=self._audience, issuer=self._issuer,
            options={"require": ["exp", "sub", "aud"]}, leeway=LEEWAY_SECONDS,
        )  # fmt: skip


def _is_operator(app_metadata: object) -> bool:
    """Return whether the issuer says so. Users cannot change this part of their account."""
    return isinstance(app_metadata, dict) and app_metadata.get("crm_role") == OPERATOR


def _text(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None
