"""Console requests with a bearer token that is not valid."""

from uuid import uuid4

import pytest

from tests.services.api.site import Site, make_bearer_token


@pytest.mark.parametrize(
    "claims", [{"aud": "anon"}, {"exp": 1}, {"sub": "nobody"}, {"sub": ""}], ids=str
)
async def test_a_bearer_token_with_invalid_claims_is_401(
    site: Site, claims: dict[str, object]
) -> None:
    token = make_bearer_token(site.manager, claims=claims)
    response = await site.client.get(
        f"/api/leads/{uuid4()}/activities", headers={"Authorization": f"Bearer {token}"}
    )
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"


async def test_a_bearer_token_with_another_secret_or_none_is_401(site: Site) -> None:
    forged = make_bearer_token(site.manager, secret="another secret that is long enough too")
    for token in (forged, "x", "a.b.c", ""):
        response = await site.client.get(
            f"/api/leads/{uuid4()}/activities", headers={"Authorization": f"Bearer {token}"}
        )
        assert response.status_code == 401
