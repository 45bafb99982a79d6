"""The tables with rows of persons: no table of the catalog is forgotten."""

import sqlalchemy as sa

from projections import leads
from projections.catalog import LIVE
from projections.engine.derived_table import DerivedTable
from services.privacy.person_tables import PERSON_TABLES, find_person_tables

NOT_OF_PERSONS = {
    "crm_state.erased_subjects": "ids of erased subjects, which the engine needs",
    "public.api_keys": "keys of services",
    "crm_state.widget_keys": "keys of a property's widget",
    "public.lumaleasing_config": "settings of a property's widget",
    "crm_state.response_times": "numbers and times only, computed from messages of a conversation",
    "public.tour_slots": "times of a property; a hold names a session and no person",
    "public.workflow_definitions": "texts of the staff",
    "public.follow_up_templates": "texts of the staff",
}
"""Table → why none of its rows belongs to a person."""
TABLES = [table for projection in LIVE.projections for table in projection.tables]


def test_every_derived_table_is_of_persons_or_has_a_reason_why_not() -> None:
    of_persons = {table.derived.live_name for table in PERSON_TABLES.values()}
    names = {table.live_name for table in TABLES}
    assert names - of_persons == NOT_OF_PERSONS.keys(), (
        "give the new table a foreign key to a table of persons or a column lead_id, or the reason "
        "why no row of it belongs to a person in NOT_OF_PERSONS"
    )
    assert not of_persons & NOT_OF_PERSONS.keys()


def test_a_new_table_that_refers_to_a_person_is_found() -> None:
    metadata = leads.TABLE.metadata
    new = sa.Table(
        "new_table", sa.MetaData(), sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("message_id", sa.Uuid, sa.ForeignKey(metadata.tables["messages"].c.id)),
    )  # fmt: skip
    other = sa.Table("other", sa.MetaData(), sa.Column("id", sa.Uuid, primary_key=True))
    found = find_person_tables([*TABLES, DerivedTable(new), DerivedTable(other)])
    assert found.keys() - PERSON_TABLES.keys() == {"new_table"}
