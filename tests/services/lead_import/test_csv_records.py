"""Records of CSV files: the lines that each one covers, and quotes that swallow lines.

RFC 4180 section 2: a field may be quoted and may then contain line breaks (6); a quote inside of a
quoted field is written twice (7). A quote in a field that is not quoted is text.
"""

import pytest

from services.lead_import.csv_records import CsvRecord, read_records

READ = {
    "a line for each record": ("1,Ann\n2,Bob\n", [(1, 1, "1", "Ann"), (2, 2, "2", "Bob")]),
    "a record of three lines": ('1,"a\nb\nc"\n2,d\n', [(1, 3, "1", "a\nb\nc"), (4, 4, "2", "d")]),
    "Windows line ends": ('1,"a\r\nb"\r\n2,c\r\n', [(1, 2, "1", "a\r\nb"), (3, 3, "2", "c")]),
    "a doubled quote": ('1,"5"" pipe, ""new"""\n', [(1, 1, "1", '5" pipe, "new"')]),
    "a quote inside of a plain field": ('1,5" pipe\n', [(1, 1, "1", '5" pipe')]),
    "blank lines": ("1,a\n\n\n2,b\n", [(1, 1, "1", "a"), (4, 4, "2", "b")]),
    "no line break at the end": ("1,a\n2,b", [(1, 1, "1", "a"), (2, 2, "2", "b")]),
    "a note that ends with a line break": (
        '1,"a\n"\n2,b\n',
        [(1, 2, "1", "a\n"), (3, 3, "2", "b")],
    ),
}
REFUSED = {
    "an unclosed quote at the end": ('1,a\n2,"b\n3,c\n4,d\n', [(2, 4, "not closed")], ["1"]),
    "an unclosed quote before a quoted field": (
        '1,"a\n2,"b"\n3,c\n', [(1, 2, "text follows a quote")], ["3"]
    ),
    "an unclosed quote before an empty quoted field at the end": (
        '1,"a\n2,"\n3,c\n', [(1, 2, "probably not closed")], ["3"]
    ),
    "a stray quote in a quoted field": ('1,"say "hi" now"\n2,b\n', [(1, 1, "text follows")], ["2"]),
    "a stray quote that swallows lines": (
        '1,a\n2,"b\n3,c\n4,"d" e\n5,f\n', [(2, 4, "text follows a quote")], ["1", "5"]
    ),
}  # fmt: skip


def read(text: str) -> list[CsvRecord]:
    return list(read_records(text.splitlines(keepends=True), ","))


@pytest.mark.parametrize("kind", READ)
def test_a_record_has_its_fields_and_its_lines(kind: str) -> None:
    text, expected = READ[kind]
    records = read(text)
    assert [(r.first_line, r.last_line, *r.fields) for r in records] == expected
    assert not any(record.problem for record in records)
    assert "".join(r.text for r in records).replace("\n", "") == text.replace("\n", "")


@pytest.mark.parametrize("kind", REFUSED)
def test_a_quote_that_runs_over_lines_is_refused_with_these_lines(kind: str) -> None:
    text, refused, others = REFUSED[kind]
    records = read(text)
    problems = [record for record in records if record.problem]
    assert [(r.first_line, r.last_line) for r in problems] == [(f, last) for f, last, _ in refused]
    for record, (first, last, words) in zip(problems, refused, strict=True):
        assert words in str(record.problem)
        assert (f"lines {first} to {last}" if last > first else f"line {first}:") in str(
            record.problem
        )
        lines = text.splitlines(keepends=True)
        assert record.text == "".join(lines[first - 1 : last]), "ready to be corrected"
    assert [record.fields[0] for record in records if not record.problem] == others


def test_an_unclosed_quote_does_not_swallow_a_long_file() -> None:
    lines = ['0,"open\n', *(f"{n},{'x' * 100}\n" for n in range(1, 5_001))]
    records = list(read_records(lines, ","))
    first = records[0]
    assert "not closed" in str(first.problem)
    assert first.last_line < 1_500, "a field has a limited size"
    assert len(records) == 5_001 - first.last_line + 1
