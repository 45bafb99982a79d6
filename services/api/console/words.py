"""Words for people instead of the keys of the API."""

_WORDS = {
    "user": "visitor", "assistant": "bot", "sms": "SMS", "email": "e-mail",
    "in_person": "in person", "no_show": "did not come", "widget": "web chat",
}  # fmt: skip


def words_of(key: str | None) -> str:
    """Return a key such as `tour_booked` as words: `tour booked`."""
    if not key:
        return "unknown"
    return _WORDS.get(key) or key.replace("_", " ").replace(".", ": ")
