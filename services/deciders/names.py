"""Normalisation of personal names, the same for visitors, agents, producers and imports.

Events keep the wide type `Line`, so that events with older names stay readable.
"""

import re

from services.deciders.decider import Refused

MAX_NAME_CHARACTERS = 100
NAME_FIELDS = frozenset({"first_name", "last_name"})
"""The fields of leads that hold names."""
_BIDI_CONTROLS = dict.fromkeys(
    (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
)
"""Characters that change the direction of the text around them (Unicode UAX #9, section 2)."""
_CONTROLS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)), " ")
_DOMAINS = (
    "app|biz|click|club|cn|co|com|dev|edu|eu|gov|info|io|link|live|ly|net|online|org|page|ru|shop"
    "|site|store|tk|top|uk|us|vip|xyz"
)
"""The top-level domains after which a mail program makes a link out of a text without a scheme."""
_LINK = re.compile(
    r"//|\bwww\.|\b(?:javascript|data|mailto|tel|sms):"
    rf"|(?<![\w@.-])(?:[\w-]+\.)*[\w-]{{2,}}\.(?:{_DOMAINS})\b|\w\.[a-z]{{2,}}[/:]",
    re.IGNORECASE,
)


def normalize_name(text: str | None) -> str | None:
    """Return a name on one line, without control and bidi characters; None for a blank one.

    Raises `Refused` if the name is too long or contains a link. Messages contain names, and a mail
    program would show the link to whoever reads them.
    """
    if text is None:
        return None
    name = " ".join(text.translate(_BIDI_CONTROLS).translate(_CONTROLS).split())
    if len(name) > MAX_NAME_CHARACTERS:
        raise Refused(
            "invalid_name",
            f"the name has {len(name)} characters: send at most {MAX_NAME_CHARACTERS}", 400,
        )  # fmt: skip
    if _LINK.search(name):
        raise Refused("invalid_name", f"the name {name!r} contains a link: send it without", 400)
    return name or None
