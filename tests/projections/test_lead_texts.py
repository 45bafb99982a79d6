"""Examples for `lead_texts`."""

import asyncio
from uuid import uuid4

import asyncpg
import pytest
from alembic import command
from hypothesis import given
from hypothesis import strategies as st

from events.leads import LeadCaptured, LeadUpdated
from events.merges import LeadMerged, LeadUnmerged
from projections.lead_texts import MAX_SEARCHED_CHARACTERS, projection
from projections.search_form import to_search_form
from services.runtime.migrations import alembic_config, migrate
from tests.projections.engine.test_rebuild import rebuild_of
from tests.projections.given import LEAD, PROPERTY, SESSION, at, only, rows_of
from tests.text.test_search import FOUND, NOT_FOUND
from tests.world import make_world

CAPTURED = LeadCaptured(
    lead_id=LEAD, first_name="José", last_name="García", email="Jo@Example.com",
    phone="(212) 555-0100",
)  # fmt: skip
SEARCHED = "jose garcia jo@example.com (212) 555-0100 2125550100"


def test_a_lead_is_searched_by_name_e_mail_phone_number_and_its_digits() -> None:
    columns = ("property_id", "created_at", "is_merged", "first_name", "searched")
    assert only(rows_of(projection, CAPTURED), *columns) == [
        (PROPERTY, at(1), False, "jose", SEARCHED)
    ]
    plain = LeadCaptured(lead_id=LEAD, email="a@example.com", phone="+12125550100")
    assert only(rows_of(projection, plain), "searched") == [("a@example.com +12125550100",)]


def test_a_change_of_one_text_keeps_the_others() -> None:
    changed = LeadUpdated(lead_id=LEAD, last_name="O’Neil", bedrooms="2")
    (row,) = rows_of(projection, CAPTURED, changed)
    assert row["searched"] == SEARCHED.replace("garcia", "o'neil")
    removed = LeadUpdated(lead_id=LEAD, first_name=None, email=None, phone=None)
    assert only(rows_of(projection, CAPTURED, removed), "searched", "phone") == [("garcia", None)]
    nothing = LeadUpdated(lead_id=LEAD, last_name=None)
    assert only(rows_of(projection, CAPTURED, removed, nothing), "searched") == [(None,)]


def test_a_merged_lead_is_left_out_until_it_is_separate_again() -> None:
    other = LeadCaptured(lead_id=SESSION, email="b@example.com")
    merged = LeadMerged(loser_id=LEAD, winner_id=SESSION)
    unmerged = LeadUnmerged(loser_id=LEAD, winner_id=SESSION)
    assert only(rows_of(projection, CAPTURED, other, merged), "is_merged") == [(True,), (False,)]
    assert only(rows_of(projection, CAPTURED, other, merged, unmerged), "is_merged") == [
        (False,), (False,),
    ]  # fmt: skip


def test_a_very_long_text_is_cut_to_the_size_of_an_index_entry() -> None:
    (row,) = rows_of(
        projection, LeadCaptured(lead_id=LEAD, first_name="A" * 320, last_name="B" * 320)
    )
    assert row["searched"] == f"{'a' * 320} {'b' * 320}"[:MAX_SEARCHED_CHARACTERS]
    assert len(row["last_name"]) == 320


@pytest.mark.parametrize(("name", "searched"), [found[:2] for found in FOUND])
def test_a_name_is_found_by_its_form(name: str, searched: str) -> None:
    assert to_search_form(searched) in to_search_form(name)


@pytest.mark.parametrize(("name", "searched"), NOT_FOUND)
def test_another_name_is_not_found_by_its_form(name: str, searched: str) -> None:
    assert to_search_form(searched) not in to_search_form(name)


@given(st.text(max_size=30))
def test_the_form_of_a_form_is_the_form(value: str) -> None:
    form = to_search_form(value)
    assert to_search_form(form) == form


async def test_the_database_gives_the_same_form(pool: asyncpg.Pool) -> None:
    values = [text for name, searched, _ in FOUND for text in (name, searched, name.upper())]
    rows = await pool.fetch("SELECT crm_api.search_form(x) FROM unnest($1::text[]) AS x", values)
    assert [row[0] for row in rows] == [to_search_form(value) for value in values]


async def test_the_migration_fills_the_table_as_a_rebuild_does(
    owner_pool: asyncpg.Pool, database_url: str
) -> None:
    world = await make_world(owner_pool)
    leads = [
        LeadCaptured(
            lead_id=uuid4(), first_name="Zoë", email="Zoe@example.com", phone="0 30/12-34"
        ),
        world.captured(email=None, phone="+12125550100"),
    ]
    long_name = LeadCaptured(lead_id=uuid4(), first_name="Ł" * 320, last_name="D`Arcy " * 40)
    await world.append(*map(world.new, (*leads, long_name)))
    merged = LeadMerged(loser_id=leads[1].lead_id, winner_id=leads[0].lead_id)
    await world.append(world.new(merged))
    await world.project()
    await asyncio.to_thread(command.downgrade, alembic_config(database_url), "0059")
    await asyncio.to_thread(migrate, database_url)
    await owner_pool.expire_connections()
    result = await rebuild_of(owner_pool).verify()
    assert result.equal, [part for part in result.comparisons if not part.equal]
    assert await world.count("crm_state.lead_texts") == 3
