"""Contact details: the limits of phone numbers and addresses, and the keys that they have."""

import pytest

from services.deciders.contacts import (
    contact_keys,
    normalize_email,
    normalize_phone,
    phone_key,
    searched_numbers,
)
from services.deciders.decider import Refused

ADDRESS, NUMBER = "ada@example.com", "+12125550123"


def test_only_the_given_details_have_a_key() -> None:
    assert contact_keys({}) == {}
    assert contact_keys({"email": ADDRESS}) == {"email_key": ADDRESS}
    assert contact_keys({"phone": NUMBER}) == {"phone_key": NUMBER}
    assert contact_keys({"email": None, "phone": None}) == {"email_key": None, "phone_key": None}


@pytest.mark.parametrize("digits", [4, 24])
def test_a_number_within_the_limits_is_kept(digits: int) -> None:
    assert normalize_phone("1" * digits) == "1" * digits


@pytest.mark.parametrize("text", ["111", "1" * 25, "not a number", "1.23E+10"])
def test_a_text_that_is_no_phone_number_is_a_bad_request(text: str) -> None:
    with pytest.raises(Refused) as caught:
        normalize_phone(text)
    assert (caught.value.code, caught.value.status) == ("invalid_phone", 400)


@pytest.mark.parametrize("blank", [None, "", "  "])
def test_a_blank_is_no_contact(blank: str | None) -> None:
    assert normalize_phone(blank) is None
    assert normalize_email(blank) is None
    assert phone_key(blank) is None


def test_a_text_that_is_no_address_is_a_bad_request() -> None:
    with pytest.raises(Refused) as caught:
        normalize_email("no address")
    assert (caught.value.code, caught.value.status) == ("invalid_email", 400)


def test_an_address_for_tests_is_kept() -> None:
    """RFC 2606 reserves `.test`; the library refuses it by default."""
    assert normalize_email("ada@property.test") == "ada@property.test"


@pytest.mark.parametrize(("text", "found"), [
    ("12", ()), ("212", ("1212", "212")), ("a212", ()), ("212@", ()),
    ("0212", ("0212", "1212", "212")), ("012", ("012", "112")),
])  # fmt: skip
def test_a_number_is_searched_from_three_digits_on(text: str, found: tuple[str, ...]) -> None:
    assert searched_numbers(text, "US") == found
