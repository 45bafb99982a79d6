"""Result files of an import: no spreadsheet runs a formula, and refused records stay as they are.

The beginnings of a formula are those of OWASP's page on CSV injection.
"""

import csv
from pathlib import Path

import pytest

from services.lead_import.csv_table import CsvTable
from services.lead_import.line_result import LineResult, LineStatus
from services.lead_import.result_files import open_result_files
from services.lead_import.text_format import TextFormat

HEADER = "Id,Mail,Phone\n"
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


@pytest.fixture
def table(tmp_path: Path) -> CsvTable:
    path = tmp_path / "leads.csv"
    path.write_text(HEADER)
    return CsvTable(path, TextFormat("utf-8", ","))


def write_results(table: CsvTable, path: Path, texts: list[str]) -> list[tuple[str, str]]:
    """Write results with these texts; return external id and detail as the file has them."""
    with open_result_files(table, path, None) as write:
        for text in texts:
            write(LineResult(2, 2, text, LineStatus.NEW, detail=text))
    with path.open(newline="", encoding="utf-8") as file:
        return [(row["external_id"], row["detail"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize("start", FORMULA_STARTS, ids=ascii)
def test_a_spreadsheet_runs_no_formula_of_the_results_file(
    table: CsvTable, tmp_path: Path, start: str
) -> None:
    text = f'{start}HYPERLINK("https://eve.example")'
    assert write_results(table, tmp_path / "results.csv", [text]) == [(f"'{text}", f"'{text}")]


@pytest.mark.parametrize("text", ["", "4711", "a=1", "O'Neil", "1-2", "'=1"])
def test_other_texts_of_the_results_file_stay_as_they_are(
    table: CsvTable, tmp_path: Path, text: str
) -> None:
    assert write_results(table, tmp_path / "results.csv", [text]) == [(text, text)]


def test_a_refused_record_stays_as_it_is_to_the_byte(table: CsvTable, tmp_path: Path) -> None:
    """The file is imported again, and telephone numbers begin with a plus."""
    record = '=HYPERLINK("x"),-,+1 212 555 0100\r\n'
    refused = tmp_path / "refused.csv"
    with open_result_files(table, None, refused) as write:
        write(LineResult(2, 2, "1", LineStatus.REFUSED, text=record))
    assert refused.read_bytes() == (HEADER + record).encode()
