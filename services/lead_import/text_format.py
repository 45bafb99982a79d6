"""The text format of a CSV file: its encoding and its delimiter, detected or given."""

import codecs
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from services.lead_import.mapping import InvalidMapping

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""A mark at the start of a file, with its encoding. That of UTF-32 begins with that of UTF-16."""
LATIN_ENCODINGS = ("cp1252", "mac-roman", "cp1250", "cp1254")
OTHER_ENCODINGS = (
    "cp1251", "cp1253", "cp1255", "cp1256", "cp932", "gb18030", "big5", "cp949", "euc-jp",
)  # fmt: skip
"""The encodings, besides Unicode, in which spreadsheets write: the names of Python's codecs."""
LATIN_RUN = 2.0
"""The mean number of special characters in a row up to which a text is in Latin script."""
DELIMITERS = (",", ";", "\t", "|")
SAMPLE_BYTES = 200_000
MAX_ODD_LINES = 1_000
MAX_DETECTED_LINES, MAX_LINE = 100, 1_000
UTF8_SHARE = 0.9
"""A file in which so many of the lines with special characters are UTF-8 is a UTF-8 file."""
NUL_SHARE = 0.5
"""If so many of the odd bytes, or of the even ones, are zero, a file without a mark is UTF-16."""

_SPECIAL_RUN = re.compile(rb"[\x80-\xff]+")
_SEPARATOR_LINE = re.compile(r"sep=(.)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TextFormat:
    """The encoding (a codec of Python) and the delimiter; `preamble` lines precede the header."""

    encoding: str
    delimiter: str
    preamble: int = 0


def detect_format(
    path: Path, *, encoding: str | None = None, delimiter: str | None = None
) -> TextFormat:
    """Return the format of a file; what is given is not detected. Raise `InvalidMapping`."""
    if encoding is not None:
        _check_encoding(encoding)
    if delimiter is not None and len(delimiter) != 1:
        raise InvalidMapping(f"the delimiter {delimiter!r} is not one character: give one, or tab")
    try:
        encoding = encoding or _detect_encoding(path)
        sample = _read_sample(path, encoding)
    except OSError as error:
        raise InvalidMapping(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeError as error:
        raise InvalidMapping(f"{path} is not {encoding} ({error}): give another encoding") from None
    first, _, rest = sample.partition("\n")
    # Excel writes and reads such a first line, which names the delimiter of the file.
    named = _SEPARATOR_LINE.fullmatch(first.strip("\r"))
    if named is not None:
        return TextFormat(encoding, delimiter or named[1], preamble=1)
    return TextFormat(encoding, delimiter or _detect_delimiter(first, rest))


def _check_encoding(encoding: str) -> None:
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise InvalidMapping(
            f"{encoding!r} is not an encoding: use for example utf-8, cp1252 or utf-16"
        ) from None


def _detect_encoding(path: Path) -> str:
    """Return the encoding: by the mark at the start, else UTF-8, else the most probable one."""
    with path.open("rb") as source:
        start = source.read(SAMPLE_BYTES)
        for mark, encoding in BYTE_ORDER_MARKS:
            if start.startswith(mark):
                return encoding
        for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
            if start[first::2].count(0) > len(start) / 2 * NUL_SHARE:
                return encoding
        source.seek(0)
        utf8 = 0
        others: list[bytes] = []
        for line in source:
            if line.isascii():
                continue
            if _is_utf8(line):
                utf8 += 1
            elif len(others) < MAX_ODD_LINES:
                others.append(line)
    if utf8 >= UTF8_SHARE * (utf8 + len(others)):
        return "utf-8"
    import chardet  # here: most files are UTF-8, and the import of this module takes long

    sample = b"".join(others)[:SAMPLE_BYTES]
    runs = _SPECIAL_RUN.findall(sample)
    is_latin = sum(map(len, runs)) < LATIN_RUN * len(runs)
    found = chardet.detect(
        sample,
        compat_names=False,
        include_encodings=LATIN_ENCODINGS if is_latin else OTHER_ENCODINGS,
    )
    return str(found["encoding"] or LATIN_ENCODINGS[0])


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _read_sample(path: Path, encoding: str) -> str:
    with path.open(encoding=encoding, errors="replace", newline="") as source:
        return source.read(SAMPLE_BYTES)


def _detect_delimiter(header: str, rest: str) -> str:
    """Return the delimiter that makes the text most like a table; a comma if there is none."""
    import clevercsv  # here, because its import takes long

    # The time of the detection grows with the square of the length of a line.
    lines = [line for line in rest.split("\n")[:MAX_DETECTED_LINES] if len(line) <= MAX_LINE]
    sample = "\n".join([header[: 10 * MAX_LINE], *lines]).replace("\x00", "")
    try:
        found = clevercsv.Detector().detect(sample, delimiters=list(DELIMITERS))
    except clevercsv.Error:  # the text is no table: the header decides
        found = None
    if found is not None and found.delimiter and found.delimiter in header:
        return str(found.delimiter)
    counts = Counter(character for character in header if character in DELIMITERS)
    return counts.most_common(1)[0][0] if counts else DELIMITERS[0]
