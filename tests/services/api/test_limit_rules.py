"""The rules of the rate limits that need no database: equal contacts, and when to try again."""

import pytest

from services.api.rate_limit.contacts import comparable_contact
from services.api.rate_limit.limits import too_many_requests


@pytest.mark.parametrize(
    ("contact", "compared"),
    [
        (" ADA@example.COM", "ada@example.com"), ("1@x.com", "1@x.com"),
        ("(212) 555-0100", "2125550100"), ("+1 212 555 0100", "2125550100"),
        ("555 0100", "5550100"), (" No Phone ", "no phone"),
    ],
)  # fmt: skip
def test_all_spellings_of_a_contact_are_counted_as_one(contact: str, compared: str) -> None:
    assert comparable_contact(contact) == compared


@pytest.mark.parametrize(
    ("remaining", "seconds"), [(-0.5, 1), (0.0, 1), (0.2, 1), (1.0, 1), (1.2, 2), (60.0, 60)]
)
def test_a_refused_client_may_try_again_when_the_window_has_ended(
    remaining: float, seconds: int
) -> None:
    problem = too_many_requests("visitor", remaining)
    assert (problem.status, problem.code) == (429, "rate_limited")
    assert problem.headers == {"Retry-After": str(seconds)}
    assert problem.message == f"too many requests of this visitor: try again in {seconds} s"
