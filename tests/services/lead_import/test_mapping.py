"""Mappings: the short form of every part, and mistakes that are refused."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from services.lead_import.csv_table import CsvTable
from services.lead_import.mapping import (
    ColumnMapping,
    InvalidMapping,
    read_mapping,
    shipped_mappings,
)
from services.lead_import.proposal import propose_mapping
from services.lead_import.text_format import TextFormat, detect_format
from tests.services.lead_import.test_exports import EXPORTS

PARTS = ("arrived", "status", "assigned", "source", "first_name", "last_name", "email", "phone",
         "move_in_date", "bedrooms", "notes")  # fmt: skip
LISTS: dict[str, dict[str, Any]] = {
    "note": {},
    "consent": {"channel": "email", "withdrawn": "Yes", "given": "No", "at": "Date"},
    "engagement": {"values": {"Opened": "email_opened"}, "at": "Date"},
    "activity": {"values": {"Called": "call_made"}, "at": "Date"},
}


@pytest.mark.parametrize("name", PARTS)
def test_a_column_of_the_lead_may_be_written_by_its_name_alone(name: str) -> None:
    short = ColumnMapping.model_validate({"name": "x", "lead": {"external_id": "Id", name: "C"}})
    long = ColumnMapping.model_validate(
        {"name": "x", "lead": {"external_id": {"column": "Id"}, name: {"column": "C"}}}
    )
    assert short == long
    assert set(short.columns()) == {"Id", "C"}


@pytest.mark.parametrize("name", LISTS)
def test_one_column_needs_no_list(name: str) -> None:
    parts: list[dict[str, Any]] = [{"columns": ["C"]}, {"columns": "C"}, {"column": "C"}]
    mappings = [
        ColumnMapping.model_validate(
            {"name": "x", "lead": {"external_id": "Id"}, name: [part | LISTS[name]]}
        )
        for part in parts
    ]
    assert mappings[0] == mappings[1] == mappings[2]


def test_dates_history_and_metadata_have_a_short_form() -> None:
    mapping = ColumnMapping.model_validate({
        "name": "x",
        "lead": {"external_id": "Id", "status": {"column": "S", "at": "D1", "empty": "-"}},
        "metadata": {"city": "City"},
        "history": [{"status": "toured", "at": "D2"}],
        "count": [{"column": "N", "event_type": "repeat_visit", "at": "D3"}],
        "note": ["Note"],
    })  # fmt: skip
    assert set(mapping.columns()) == {"Id", "S", "D1", "City", "D2", "N", "D3", "Note"}
    assert mapping.lead.status is not None
    assert mapping.lead.status.empty == ("-",)
    assert mapping.history[0].at.format == ("iso",)


@pytest.mark.parametrize("name", shipped_mappings())
def test_a_proposal_for_an_export_is_a_mapping_that_can_be_read(tmp_path: Path, name: str) -> None:
    path = EXPORTS / f"{name}.csv"
    table = CsvTable(path, detect_format(path))
    text = propose_mapping(table, name)
    own = tmp_path / "own.toml"
    own.write_text(text)
    proposed, shipped = read_mapping(str(own)), read_mapping(name)
    assert set(proposed.columns()) <= set(table.columns)
    assert proposed.lead.external_id == shipped.lead.external_id
    for field in ("email", "first_name", "last_name", "phone"):
        assert getattr(proposed.lead, field) == getattr(shipped.lead, field)
    assert proposed.lead.arrived is not None
    assert proposed.lead.assigned is not None
    in_file = [step for step in shipped.history if step.at.column in table.columns]
    assert {(step.status, step.at.column) for step in proposed.history} == {
        (step.status, step.at.column) for step in in_file
    }


def test_a_proposal_says_what_must_be_decided(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    path.write_text(
        'Lead ID,Stage,Inquiry Date,Do Not Email,Tags,Rem\'arks "x"\n'
        "1,Contacted,01/02/2026,Yes,a;b,\n2,Sold,03/04/2026,No,c,hi\n"
    )
    text = propose_mapping(CsvTable(path, TextFormat("utf-8", ",")), "old")
    mapping = ColumnMapping.model_validate(tomllib.loads(text))
    assert mapping.lead.status is not None
    assert mapping.lead.status.values == {"Contacted": "contacted", "Sold": "new"}
    assert mapping.metadata["tags"].split == ";"
    assert [(part.channel, part.withdrawn) for part in mapping.consent] == [("email", ("Yes",))]
    assert '"Sold" = "new"  # 1 times: unknown, decide what it means' in text
    assert "# Month or day first?" in text
    assert '#   "Rem\'arks \\"x\\"": hi (1)' in text
    without = propose_mapping(CsvTable(EXPORTS / "yardi.csv", TextFormat("utf-8", ",")), "old")
    assert "Missing: the column that identifies a lead" in without


def test_a_mapping_that_does_not_exist_names_the_shipped_ones() -> None:
    with pytest.raises(InvalidMapping, match="generic, hubspot, salesforce, yardi"):
        read_mapping("hubspto")
