"""Normalisation of contact details: an e-mail address is case-folded, a phone number is E.164."""

import re

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from services.deciders.decider import Refused

DEFAULT_COUNTRY = "US"
_MIN_DIGITS, _MAX_DIGITS = 4, 20


def normalize_email(text: str | None) -> str | None:
    """Return the address as it is stored and compared; None for a blank text.

    Raises `Refused` if the text is not an e-mail address.
    """
    if text is None or not text.strip():
        return None
    try:
        address = validate_email(text.strip(), check_deliverability=False, test_environment=True)
    except (EmailNotValidError, UnicodeError) as error:
        raise Refused("invalid_email", f"this is not an e-mail address: {error}", 400) from None
    return address.normalized.casefold()


def normalize_phone(text: str | None, country: str | None = None) -> str | None:
    """Return the number as E.164; without a prefix it is read as a number of `country`.

    A number that is not possible in that country is returned as it was typed. Raises `Refused` if
    the text is not a phone number at all.
    """
    if text is None or not text.strip():
        return None
    typed = " ".join(text.split())
    digits = sum(character.isdigit() for character in typed)
    if not _MIN_DIGITS <= digits <= _MAX_DIGITS or re.search(r"[^\W\d_]{4,}", typed):
        raise Refused("invalid_phone", "this is not a phone number", 400)
    try:
        number = phonenumbers.parse(typed, country or DEFAULT_COUNTRY)
    except phonenumbers.NumberParseException:
        return typed
    if phonenumbers.is_possible_number_with_reason(number) != (
        phonenumbers.ValidationResult.IS_POSSIBLE
    ):
        return typed
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
