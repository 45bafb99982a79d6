"""Examples for `api_keys`: given events, the rows that they leave."""

from events.api_keys import ApiKeyIssued, ApiKeyRevoked
from projections.api_keys import projection
from tests.projections.given import AGENT, ORG, PROPERTY, at, only, rows_of

ISSUED = ApiKeyIssued(
    api_key_id=AGENT, key_hash="h1", label="warehouse", scopes=("events:read",),
    property_ids=(PROPERTY,), expires_at=at(60), reason="reports",
)  # fmt: skip
REVOKED = ApiKeyRevoked(api_key_id=AGENT, reason="leaked")


def test_a_key_is_listed_without_its_hash() -> None:
    [row] = rows_of(projection, ISSUED)
    assert row == {
        "id": AGENT, "org_id": ORG, "label": "warehouse", "scopes": ["events:read"],
        "property_ids": [str(PROPERTY)], "expires_at": at(60), "issued_at": at(1),
        "issued_by": "test", "issue_reason": "reports", "revoked_at": None, "revoked_by": None,
        "revoke_reason": None,
    }  # fmt: skip


def test_the_first_revocation_counts() -> None:
    again = ApiKeyRevoked(api_key_id=AGENT, reason="again")
    rows = rows_of(projection, ISSUED, REVOKED, again, ISSUED)
    assert only(rows, "revoked_at", "revoked_by", "revoke_reason") == [(at(2), "test", "leaked")]


def test_a_revocation_of_an_unknown_key_leaves_no_row() -> None:
    assert rows_of(projection, REVOKED) == []
