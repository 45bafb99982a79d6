"""Ways to reach somebody, as they are kept and compared: e-mail case-folded, phone as E.164."""

import re

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from services.deciders.decider import Refused

DEFAULT_COUNTRY = "US"
_FEWEST_DIGITS, _MOST_DIGITS = 4, 20


def email_of(text: str | None) -> str | None:
    """The address in the form it is kept in; None for nothing. Raises `Refused`."""
    if text is None or not text.strip():
        return None
    try:
        found = validate_email(text.strip(), check_deliverability=False, test_environment=True)
    except (EmailNotValidError, UnicodeError) as error:
        raise Refused("invalid_email", f"this is no e-mail address: {error}", 400) from None
    return found.normalized.casefold()


def phone_of(text: str | None, country: str | None = None) -> str | None:
    """The number as E.164, read as one of `country` where it has no prefix.

    A number that cannot be one of that country is kept as it was typed. Raises `Refused` for what
    is no number at all.
    """
    if text is None or not text.strip():
        return None
    typed = " ".join(text.split())
    digits = sum(character.isdigit() for character in typed)
    if not _FEWEST_DIGITS <= digits <= _MOST_DIGITS or re.search(r"[^\W\d_]{4,}", typed):
        raise Refused("invalid_phone", "this is no phone number", 400)
    try:
        number = phonenumbers.parse(typed, country or DEFAULT_COUNTRY)
    except phonenumbers.NumberParseException:
        return typed
    if phonenumbers.is_possible_number_with_reason(number) != (
        phonenumbers.ValidationResult.IS_POSSIBLE
    ):
        return typed
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
