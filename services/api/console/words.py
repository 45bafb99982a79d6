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


def name_source(source: str | None) -> str:
    """Return the source of a lead with a capital letter, however a producer wrote it."""
    return source[:1].upper() + source[1:] if source else "unknown"


def describe_count(count: int, noun: str) -> str:
    """Return a number with its noun: `1 event`, `2,000 events`."""
    return f"{count:,} {noun if count == 1 else noun + 's'}"
