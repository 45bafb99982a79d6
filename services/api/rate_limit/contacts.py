"""The form in which contact details are compared by the limits."""

COMPARED_PHONE_DIGITS = 10
"""The last digits of a phone number that are compared.

They are the same whether the number was written with its country prefix or without.
"""


def comparable_contact(contact: str) -> str:
    """Return the same text for all spellings of one e-mail address or phone number."""
    if "@" in contact:
        return contact.strip().casefold()
    digits = "".join(character for character in contact if character.isdecimal())
    return digits[-COMPARED_PHONE_DIGITS:] or contact.strip().casefold()
