"""Tests of the picture of a report."""

from pathlib import Path
from xml.etree import ElementTree as ET

from benchmarks.picture import BARS, MET, MISSED, write_picture
from benchmarks.report_line import ReportLine

SVG = "{http://www.w3.org/2000/svg}"
LINES = [
    ReportLine("no target", "1/s", "floor", "2/s", 0.5),
    ReportLine("as the target", "1/s", "floor", "2/s", 0.5, 0.5),
    ReportLine("twice too slow", "4 ms", "bare path", "1 ms", 4.0, 2.0, is_maximum=True),
    ReportLine("far beyond <it>", "900/s", "tutorial", "1/s", 900.0, 2.0),
]


def test_a_bar_passes_the_line_of_the_target_if_it_is_met(tmp_path: Path) -> None:
    write_picture(LINES, "one run", tmp_path / "ratios.svg")
    root = ET.parse(tmp_path / "ratios.svg").getroot()
    _background, *bars = root.iter(f"{SVG}rect")
    assert [bar.attrib["fill"] for bar in bars] == [MET, MISSED, MET]
    widths = [float(bar.attrib["width"]) for bar in bars]
    assert (widths[0], widths[2]) == (BARS / 2, BARS)
    assert 0 < widths[1] < BARS / 2
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert "no target" not in texts
    assert {"far beyond <it>", "4.00 (≤ 2): bare path"} <= set(texts)
