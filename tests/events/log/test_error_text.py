"""Texts of errors contain no value of a row or a request."""

from smtplib import SMTPRecipientsRefused
from typing import cast
from uuid import uuid4

import asyncpg
import pytest

from events.catalog import UnknownEvent
from events.codec import decode
from events.log.error_text import describe_chain, describe_error

VALUE = "ada.secret@example.com"


def raised(error: BaseException) -> BaseException:
    """Return the error after it was raised, with its traceback."""
    try:
        raise error
    except BaseException as caught:
        return caught


@pytest.mark.parametrize(
    "error",
    [
        ValueError(f"cannot read {VALUE}"),
        KeyError(VALUE),
        UnicodeEncodeError("ascii", VALUE, 0, 1, VALUE),
        SMTPRecipientsRefused({VALUE: (550, b"no such user")}),
        ExceptionGroup(VALUE, [LookupError(VALUE)]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_the_message_of_an_unknown_source_is_hidden(error: Exception) -> None:
    text = describe_error(raised(error))
    assert text == f"{type(error).__name__} in log/test_error_text.py:20, its message is hidden"
    assert VALUE not in describe_chain(raised(error))


def test_a_validation_error_names_the_fields_and_the_kinds_of_problems() -> None:
    payload = {"lead_id": VALUE, "note": [VALUE], VALUE[:3]: VALUE}
    with pytest.raises(ValueError, match="lead_id") as caught:
        decode("lead.noted", 1, cast("dict[str, object]", payload))
    text = describe_error(caught.value)
    assert text == ("ValidationError: extra_forbidden; lead_id: value_error; note: string_type")


QUOTING = {
    "a text that is no number": ("SELECT $1::text::int", "InvalidTextRepresentationError"),
    "an argument of a wrong type": ("SELECT $1::int", "DataError"),
    "a value that exists already": ("INSERT INTO thing (name) VALUES ($1)", "UniqueViolationError"),
    "a value that a check refuses": (
        "INSERT INTO thing (name) VALUES ($1 || '!')", "CheckViolationError",
    ),
    "a function that quotes it": ("SELECT pg_temp.refuse($1)", "RaiseError"),
}  # fmt: skip


@pytest.mark.parametrize(("statement", "kind"), QUOTING.values(), ids=list(QUOTING))
async def test_an_error_of_the_database_names_the_table_and_no_value(
    owner_pool: asyncpg.Pool, statement: str, kind: str
) -> None:
    async with owner_pool.acquire() as conn:
        await conn.execute(
            "CREATE TEMP TABLE thing (name text UNIQUE CHECK (name NOT LIKE '%!'));"
            "CREATE FUNCTION pg_temp.refuse(value text) RETURNS void LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE 'not %', value; END $$"
        )
        await conn.execute("INSERT INTO thing VALUES ($1)", VALUE)
        with pytest.raises(asyncpg.PostgresError) as caught:
            await conn.execute(statement, VALUE)
    text = describe_error(caught.value)
    assert text.startswith(f"{kind}: ")
    assert VALUE not in text
    assert VALUE in f"{caught.value}{caught.value.detail}", "the error itself quotes the value"
    assert ("table thing" if "INSERT" in statement else caught.value.sqlstate) in text


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConnectionRefusedError(111, "refused"), "ConnectionRefusedError: [Errno 111] refused"),
        (asyncpg.InterfaceError("the pool is closed"), "InterfaceError: the pool is closed"),
        (TimeoutError(), "TimeoutError"),
    ],
    ids=["system", "driver", "no message"],
)
def test_the_message_of_a_system_error_is_shown(error: Exception, text: str) -> None:
    assert describe_error(error) == text


def test_an_error_of_this_code_keeps_its_message_and_its_notes() -> None:
    error = UnknownEvent("lead.teleported")
    error.add_note("while reading the log")
    text = describe_error(error)
    assert "lead.teleported" in text
    assert text.endswith("; while reading the log")


def test_a_chain_shows_every_cause_with_its_frames() -> None:
    number = uuid4()
    try:
        try:
            raise KeyError(VALUE)
        except KeyError as error:
            raise ConnectionError(f"no connection {number}") from error
    except ConnectionError as error:
        text = describe_chain(error)
    assert text.index("ConnectionError: no connection") < text.index("KeyError in")
    assert text.count("test_error_text.py") == 3
    assert str(number) in text
    assert VALUE not in text
