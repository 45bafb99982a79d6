"""Detection of encoding and delimiter of files as spreadsheets and other systems write them."""

import time
from pathlib import Path

import pytest

from services.lead_import.csv_table import CsvTable
from services.lead_import.mapping import InvalidMapping
from services.lead_import.text_format import detect_format

HEADER = "Id,First,Last,Notes\n"
ENCODED = {
    "Excel 'CSV UTF-8'": ("utf-8-sig", "1,José,Muñoz,“nice” 🏠\n"),
    "UTF-8 without a mark": ("utf-8", "1,Jörg,Großmann,ruft zurück\n"),
    "plain ASCII": ("ascii", "1,Ann,Lee,calls back\n"),
    "Excel 'Unicode Text'": ("utf-16", "1,Łukasz,Żółć,mieszkanie\n"),
    "UTF-16 without a mark": ("utf-16-le", "1,Ann,Lee,calls back\n"),
    "Excel on a German Windows": ("cp1252", "1,Jörg,Müller,Größe 3 Zimmer\n2,Käthe,Weiß,ruft an\n"),
    "Excel on a French Windows": ("cp1252", "1,François,Lefèvre,rappelé à 10h\n2,Zoé,Béranger,\n"),
    "Excel on a Mac": ("mac-roman", "1,José,Muñoz,quiere un piso pequeño\n2,Jörg,Müller,\n"),
    "Excel on a Polish Windows": ("cp1250", "1,Łukasz,Wiśniewski,mieszkanie, chętnie\n"),
    "Excel on a Russian Windows": ("cp1251", "1,Иван,Петров,перезвонить завтра\n"),
    "Excel on a Japanese Windows": ("cp932", "1,太郎,山田,電話してください\n2,花子,佐藤,\n"),
    "typographic quotes alone": ("cp1252", "1,Ann,O’Neil,“nice” – likes it\n"),
}
DELIMITED = {
    "commas": (",", 'Id,Name,Notes\n1,"Lee, Ann",hi\n2,Bob,\n'),
    "semicolons, with decimal commas": (";", "Id;Name;Rent\n1;Ann;1.250,50\n2;Bob;990,00\n"),
    "tabs": ("\t", "Id\tName\tNotes\n1\tAnn\ta, b; c\n2\tBob\t\n"),
    "pipes": ("|", "Id|Name|Notes\n1|Ann|hi\n2|Bob|x, y\n"),
    "a header alone": (";", "Id;Name;Notes\n"),
    "tags in a field": (",", "Id,Name,Tags\n1,Ann,a;b;c\n2,Bob,b;c\n3,Cy,a;c\n"),
    "one column": (",", "Id\n1\n2\n"),
    "a line that names it, as Excel writes": (";", 'sep=;\nId;Name;Notes\n1;Ann;"a, b, c"\n'),
    "notes of several lines": (",", 'Id,Name,Notes\n1,Ann,"one\ntwo; three | four"\n2,Bob,x\n'),
}  # fmt: skip


def write(directory: Path, content: bytes) -> Path:
    path = directory / "leads.csv"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("kind", ENCODED)
def test_the_encoding_is_detected(tmp_path: Path, kind: str) -> None:
    encoding, lines = ENCODED[kind]
    path = write(tmp_path, (HEADER + lines).encode(encoding))
    table = CsvTable(path, detect_format(path))
    assert table.columns == ("Id", "First", "Last", "Notes")
    assert "".join(record.text for record in table.records()) == lines


@pytest.mark.parametrize("kind", DELIMITED)
def test_the_delimiter_is_detected(tmp_path: Path, kind: str) -> None:
    delimiter, text = DELIMITED[kind]
    path = write(tmp_path, text.encode())
    text_format = detect_format(path)
    assert text_format.delimiter == delimiter
    table = CsvTable(path, text_format)
    assert table.columns[0] == "Id"
    records = list(table.records())
    assert {len(record.fields) for record in records} <= {len(table.columns)}
    first_line = 3 if text.startswith("sep=") else 2
    assert [record.first_line for record in records[:1]] in ([first_line], [])


def test_what_is_given_is_not_detected(tmp_path: Path) -> None:
    path = write(tmp_path, "Id;Näme\n1;é\n".encode("cp1252"))
    given = detect_format(path, encoding="mac-roman", delimiter=",")
    assert (given.encoding, given.delimiter) == ("mac-roman", ",")


@pytest.mark.parametrize(
    ("options", "words"),
    [({"encoding": "latin-99"}, "not an encoding"), ({"delimiter": ";;"}, "not one character")],
)
def test_a_wrong_option_is_refused(tmp_path: Path, options: dict[str, str], words: str) -> None:
    path = write(tmp_path, b"Id\n")
    with pytest.raises(InvalidMapping, match=words):
        detect_format(path, **options)


def test_a_very_long_line_does_not_slow_the_detection(tmp_path: Path) -> None:
    path = write(tmp_path, f"Id;Name;Notes\n1;Ann;{'v' * 190_000}\n2;Bob;x\n".encode())
    started = time.monotonic()
    assert detect_format(path).delimiter == ";"
    assert time.monotonic() - started < 20, "without a limit it takes minutes"


def test_a_file_that_ends_within_a_character_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, f"{HEADER}1,Ann,Lee,\n".encode("utf-16") + b"x")
    table = CsvTable(path, detect_format(path))
    with pytest.raises(InvalidMapping, match="is not utf-16"):
        assert table.line_count


def test_some_wrong_bytes_do_not_change_the_encoding_of_a_utf_8_file(tmp_path: Path) -> None:
    good = "".join(f"{n},Jörg,Großmann,\n" for n in range(50)).encode()
    path = write(tmp_path, HEADER.encode() + good + "99,Käthe,,\n".encode("cp1252"))
    assert detect_format(path).encoding == "utf-8"
