"""Contact details: what is stored of an e-mail address and a phone number, and their keys.

A key is what is compared: two values with one key belong to the same person. A value without a key
identifies nobody. The libraries decide it when an event is made, and the event stores it, so that a
newer library changes nothing that was decided before.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from phonenumbers import PhoneNumber, PhoneNumberFormat

from services.deciders.countries import DEFAULT_COUNTRY
from services.deciders.decider import Refused
from services.deciders.host_names import decode_host

_MIN_DIGITS, _MAX_DIGITS = 4, 24
_E164 = re.compile(r"\+[1-9][0-9]{3,14}")
_SCIENTIFIC = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?[eE][+-]?[0-9]+")
_FRACTION_OF_NOTHING = re.compile(r"(?<=[0-9]{4})[.,]0$")
"""The end of a number that a spreadsheet wrote as a decimal: `2125550100.0`."""
MIN_SEARCHED_DIGITS = 3
_NOT_A_NUMBER = re.compile(r"[^\W\d]|@")
_WORD = re.compile(r"[^\W\d_]{4,}")
_INTERNATIONAL_PREFIX = "00"
"""The prefix that most countries dial before a country code; no number of North America has it."""

JUNK_MAILBOXES = frozenset({
    "test", "none", "na", "n/a", "null", "nan", "undefined", "unknown", "noemail", "no-email",
    "no_email", "no.email", "nomail", "noreply", "no-reply", "no_reply", "donotreply",
    "do-not-reply", "asdf", "qwerty",
})  # fmt: skip
"""Local parts that people type instead of an address. They identify nobody."""
JUNK_DOMAINS = frozenset({"none.com", "noemail.com", "nomail.com", "no-email.com"})
_NO_MAILBOX = re.compile(r"(?:00+)?")
_JUNK_TOP_LEVEL = ".invalid"
"""The top-level domain of addresses that are certain to be invalid (RFC 2606)."""


def normalize_email(text: str | None) -> str | None:
    """Return the address as it was typed, in NFC and without spaces around it; None for a blank.

    Raises `Refused` if the text is not an e-mail address.
    """
    if text is None or not text.strip():
        return None
    address = unicodedata.normalize("NFC", text.strip())
    try:
        validate_email(address, check_deliverability=False, test_environment=True)
    except (EmailNotValidError, UnicodeError) as error:
        raise Refused("invalid_email", f"this is not an e-mail address: {error}", 400) from None
    return address


def email_key(address: str | None) -> str | None:
    """Return the key of an address; None if it identifies nobody.

    The domain is mapped as browsers do it. The local part is in lower case. It is not case-folded
    further: folding would make one mailbox of `großmann` and `grossmann`.
    """
    local, _, domain = unicodedata.normalize("NFC", (address or "").strip()).rpartition("@")
    local = unicodedata.normalize("NFC", local.lower())
    try:
        host = decode_host(domain)
    except ValueError:
        return None
    mailbox = local.partition("+")[0]
    is_junk = bool(
        mailbox in JUNK_MAILBOXES
        or _NO_MAILBOX.fullmatch(mailbox)
        or host in JUNK_DOMAINS
        or host.endswith(_JUNK_TOP_LEVEL)
    )
    return None if is_junk else f"{local}@{host}"


def normalize_phone(text: str | None, country: str = DEFAULT_COUNTRY) -> str | None:
    """Return the number as E.164; without a country code it is read as a number of `country`.

    An extension is kept: `+12125550100 ext. 7`. A number that is not possible in that country is
    returned as it was typed. Raises `Refused` if the text is not a phone number at all.
    """
    if text is None or not text.strip():
        return None
    typed = unicodedata.normalize("NFC", " ".join(text.split()))
    if _SCIENTIFIC.fullmatch(typed):
        raise Refused(
            "invalid_phone",
            f"{typed} is a phone number that a spreadsheet rounded: send all of its digits",
            400,
        )
    digits = sum(character.isdigit() for character in typed)
    number = _read_number(_FRACTION_OF_NOTHING.sub("", typed), country)
    word = _WORD.search(typed)
    if not _MIN_DIGITS <= digits <= _MAX_DIGITS or (word and not (number and number.extension)):
        raise Refused("invalid_phone", "this is not a phone number", 400)
    if number is None:
        return typed
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return f"{e164} ext. {number.extension}" if number.extension else e164


def phone_key(number: str | None) -> str | None:
    """Return the key of a normalised number; None if it identifies nobody.

    A number that the library calls invalid identifies nobody, and neither does one with an
    extension: many persons share its switchboard.
    """
    if number is None or not _E164.fullmatch(number):
        return None
    parsed = _parse(number, None)
    if parsed is None or not phonenumbers.is_valid_number(parsed):
        return None
    is_normal = phonenumbers.format_number(parsed, PhoneNumberFormat.E164) == number
    return number if is_normal else None


def contact_keys(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return `email_key` and `phone_key` for those of the two values that the details have."""
    keys: dict[str, Any] = {}
    if "email" in details:
        keys["email_key"] = email_key(details["email"])
    if "phone" in details:
        keys["phone_key"] = phone_key(details["phone"])
    return keys


def searched_numbers(text: str, country: str) -> tuple[str, ...]:
    """Return the digits by which a number, or its beginning, is found in stored numbers.

    They are the digits as typed, without the zeros that are dialled first, and with the country
    code of `country`. Empty for a text that is not a part of a number.
    """
    typed = unicodedata.normalize("NFKC", text).replace("(0)", "")
    digits = "".join(str(unicodedata.digit(char)) for char in typed if char.isdecimal())
    if len(digits) < MIN_SEARCHED_DIGITS or _NOT_A_NUMBER.search(typed):
        return ()
    found = [digits, digits.lstrip("0")]
    # A text that is too short for a number is searched by its digits only.
    if number := _parse(typed, country):
        found.append(f"{number.country_code}{number.national_number}")
    return tuple(sorted({item for item in found if len(item) >= MIN_SEARCHED_DIGITS}))


def _read_number(typed: str, country: str) -> PhoneNumber | None:
    """Return the number if it is possible in `country` or has a country code; else None."""
    number = _parse(typed, country)
    if number is None:
        return None
    if not phonenumbers.is_valid_number(number) and (other := _valid_international(typed)):
        return other
    possible = phonenumbers.ValidationResult.IS_POSSIBLE
    is_possible = phonenumbers.is_possible_number_with_reason(number) == possible
    return number if is_possible else None


def _valid_international(typed: str) -> PhoneNumber | None:
    """Return the number after the prefix `00`, which some visitors type in any country."""
    if not typed.startswith(_INTERNATIONAL_PREFIX):
        return None
    number = _parse(f"+{typed.removeprefix(_INTERNATIONAL_PREFIX)}", None)
    return number if number and phonenumbers.is_valid_number(number) else None


def _parse(typed: str, country: str | None) -> PhoneNumber | None:
    """Return what the library reads; None for a text that it cannot read as a number."""
    try:
        return phonenumbers.parse(typed, country)
    except phonenumbers.NumberParseException:
        return None
