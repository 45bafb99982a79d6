"""The form in which texts of leads are searched; a searched text is converted by the same function.

It has no case, accents or invisible characters, and one shape of quotes, dashes and spaces. The
function `crm_api.search_form` of the database gives the same form.
"""

import re
import unicodedata

_SHAPES = str.maketrans({
    **dict.fromkeys("`´‘’‚‛′ʹʻʼʽˈ＇", "'"), **dict.fromkeys("“”„‟″«»＂", '"'),
    **dict.fromkeys("‐‑‒–—―−", "-"),
})  # fmt: skip
_INVISIBLE = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a"
    "\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u1ab0-\u1aff"
    "\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069"
    "\ufe00-\ufe0f\ufeff]+"
)
"""Accents of Latin, Greek and Cyrillic, points of Hebrew, vowel signs of Arabic, the shape of an
emoji, and characters that control joining or direction."""
_REPLACEMENTS = str.maketrans({
    "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ł": "l", "ŧ": "t", "ς": "σ",
    "ß": "ss", "æ": "ae", "œ": "oe", "þ": "th",
})  # fmt: skip
"""Letters that have no accent of their own, and ligatures."""


def to_search_form(text: str) -> str:
    """Return the form in which a text is searched."""
    if text.isascii():
        return text.lower().replace("`", "'")
    form = unicodedata.normalize("NFKD", text.translate(_SHAPES)).lower()
    return unicodedata.normalize("NFC", _INVISIBLE.sub("", form).translate(_REPLACEMENTS))
