"""The meaning of an SMS text for consent, with the source of each rule."""

from datetime import UTC, datetime

import pytest

from services.deciders.opt_out_words import KEYWORDS, Meaning, Reading, read_message

NOW = datetime(2026, 6, 1, tzinfo=UTC)

KEYWORD_CASES = [
    # CTIA Messaging Principles and Best Practices, 5.1.3: case and punctuation do not matter
    *((word, Meaning.STOP) for word in
      ("STOP", "stop", "Stop.", " STOP! ", '"STOP"', "STOP 🛑", "ＳＴＯＰ", "stop\n",
       "St\u200bop")),
    ("STOPALL", Meaning.STOP), ("unsubscribe", Meaning.STOP), ("CANCEL", Meaning.STOP),
    ("End", Meaning.STOP), ("quit", Meaning.STOP),
    # 47 CFR 64.1200(a)(10)
    ("revoke", Meaning.STOP), ("OPT OUT", Meaning.STOP), ("opt-out", Meaning.STOP),
    ("optout", Meaning.STOP),
    ("START", Meaning.START), ("unstop", Meaning.START),
    ("HELP", Meaning.HELP), ("help?", Meaning.HELP), ("info", Meaning.HELP),
]  # fmt: skip
REVOCATIONS = [
    # 47 CFR 64.1200(a)(10): any reasonable way; examples of the order FCC 24-24, paragraphs 12-15
    "please stop texting me", "Stop please", "PLEASE STOP", "stop it", "ok stop now",
    "Don't text me again", "don’t contact me", "Do not call or message this number",
    "no more messages", "no more texts please", "quit texting", "stop calling me!!",
    "remove me from your list", "take me off this list", "delete my number", "unsubscribe me",
    "I want to opt out", "I revoke my consent", "leave me alone", "wrong number",
    "Not interested", "I do not want to receive your texts", "cancel these messages",
    "Alto", "no me escriban más",
]  # fmt: skip
OTHERS = [
    "Yes", "ok", "", "👍", "I want to stop by tomorrow at 3", "Can you text me the address?",
    "What time is the tour?", "Is the bus stop near?", "We start our lease in May",
    "I'll be there at the end of the month", "Help me find a two-bedroom",
]  # fmt: skip


@pytest.mark.parametrize(("text", "meaning"), KEYWORD_CASES)
def test_a_keyword_is_the_whole_message(text: str, meaning: Meaning) -> None:
    reading = read_message(text, NOW)
    assert reading.meaning is meaning
    assert reading.keyword


@pytest.mark.parametrize("text", REVOCATIONS)
def test_a_revocation_in_other_words_is_for_a_person_to_decide(text: str) -> None:
    assert read_message(text, NOW) == Reading(Meaning.REVOCATION)


@pytest.mark.parametrize("text", OTHERS)
def test_another_message_is_no_revocation(text: str) -> None:
    assert read_message(text, NOW) == Reading(Meaning.OTHER)


def test_a_word_counts_from_the_day_of_its_rule() -> None:
    before, since = datetime(2025, 4, 10, 23, tzinfo=UTC), datetime(2025, 4, 11, tzinfo=UTC)
    assert read_message("REVOKE", before).meaning is Meaning.REVOCATION
    assert read_message("REVOKE", since) == Reading(Meaning.STOP, "REVOKE")
    assert read_message("STOP", before) == Reading(Meaning.STOP, "STOP")


def test_every_keyword_names_its_source() -> None:
    assert all(keyword.source and keyword.word == keyword.word.lower() for keyword in KEYWORDS)
    assert len({keyword.word for keyword in KEYWORDS}) == len(KEYWORDS)
