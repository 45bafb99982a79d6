"""The decider of API keys."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from events.api_keys import ApiKeyIssued, ApiKeyRevoked, ApiScope
from services.deciders.api_keys import IssueApiKey, RevokeApiKey
from tests.services.deciders.given import given

KEY, PROPERTY, ADMIN = (UUID(int=n) for n in range(1, 4))
NOW = datetime(2026, 3, 1, tzinfo=UTC)
ISSUE = IssueApiKey(
    KEY, "h1", "warehouse", (ApiScope.READ_EVENTS,), "reports", NOW, (PROPERTY, PROPERTY),
    NOW + timedelta(days=1), ADMIN,
)  # fmt: skip
ISSUED = ApiKeyIssued(
    api_key_id=KEY, key_hash="h1", label="warehouse", scopes=("events:read",),
    property_ids=(PROPERTY,), expires_at=NOW + timedelta(days=1), reason="reports",
    issued_by=ADMIN,
)  # fmt: skip
REVOKED = ApiKeyRevoked(api_key_id=KEY, reason="leaked", revoked_by=ADMIN)


def test_a_key_is_issued_once() -> None:
    given().when(ISSUE).then(ISSUED)
    given(ISSUED).when(ISSUE).then()


@pytest.mark.parametrize("seconds", [0, 1])
def test_a_key_does_not_expire_in_the_past(seconds: int) -> None:
    expired = IssueApiKey(
        KEY, "h1", "warehouse", (), "reports", NOW, expires_at=NOW - timedelta(seconds=seconds)
    )
    given().when(expired).refused("expiry_in_past", 400)


def test_a_key_is_revoked_once() -> None:
    revoke = RevokeApiKey(KEY, "leaked", ADMIN)
    given(ISSUED).when(revoke).then(REVOKED)
    given(ISSUED, REVOKED).when(revoke).then()
    given().when(revoke).refused("not_found", 404)
