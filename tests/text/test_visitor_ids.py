"""Placeholder visitor ids: what web sites send for a missing value identifies nobody."""

from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from events.visitor_ids import read_visitor_id
from services.intake.admission import Admission
from services.intake.settings import IntakeSettings
from services.runtime.clock import Clock
from tests.services.api.site import CHAT, Site
from tests.services.intake.producer_records import binary_record
from tests.world import make_world

STRING_OF_NOTHING = "ECMA-262, ToString of undefined, null, NaN and of an object"
NIL = "RFC 9562 §5.9, the nil UUID"

PLACEHOLDERS = [
    ("undefined", STRING_OF_NOTHING), ("null", STRING_OF_NOTHING), ("NaN", STRING_OF_NOTHING),
    ("[object Object]", STRING_OF_NOTHING), ("v_undefined", STRING_OF_NOTHING),
    ("v_null", STRING_OF_NOTHING), ("v_[object Object]", STRING_OF_NOTHING),
    ('"undefined"', "JSON.stringify of a text"), ("0", "ECMA-262, ToString of a number"),
    ("None", "Python, str(None)"), ("", "an empty cookie"), ("   ", "an empty cookie"),
    ("v_", "a prefix without an id"), (" Undefined ", STRING_OF_NOTHING),
    ("00000000-0000-0000-0000-000000000000", NIL),
]  # fmt: skip


@pytest.mark.parametrize(("text", "source"), PLACEHOLDERS)
def test_a_placeholder_is_no_visitor_id(text: str, source: str) -> None:
    assert read_visitor_id(text) is None, source


@pytest.mark.parametrize("text", ["v_1", "v_0", "1", "v_nullable", "undefined-7", "a0"])
def test_any_other_text_is_a_visitor_id(text: str) -> None:
    assert read_visitor_id(f" {text} ") == text


@pytest.mark.parametrize("placeholder", ["undefined", "v_undefined", "[object Object]", "0"])
async def test_visitors_with_a_placeholder_do_not_share_a_session(
    site: Site, placeholder: str
) -> None:
    first = await site.send_chat("hello", visitor=placeholder)
    other = await site.client.post(
        CHAT, json={"message": "I am somebody else", "sessionId": first["sessionId"]},
        headers=site.widget_headers(placeholder),
    )  # fmt: skip
    assert other.status_code >= 400, "the session of another visitor was continued"


async def test_a_producer_cannot_store_a_placeholder(pool: asyncpg.Pool) -> None:
    world = await make_world(pool)
    data: list[dict[str, Any]] = [
        {"session_id": str(uuid4()), "visitor_id": placeholder}
        for placeholder in ("undefined", "v_null", "0")
    ]
    records = [binary_record("session.started", item, world.properties[0]) for item in data]
    await Admission(pool, IntakeSettings(), Clock()).admit(records)
    await world.project()
    async with world.pool.acquire() as conn:
        rows = await conn.fetch("SELECT visitor_id FROM widget_sessions")
    assert [row["visitor_id"] for row in rows] == [None] * 3
