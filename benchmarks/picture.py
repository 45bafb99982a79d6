"""The ratios of a report as an SVG picture: a bar for each target, which passes it if met."""

import math
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from benchmarks.report_line import ReportLine

ROW, TOP = 22, 44
"""Height of a row and of the title, in pixels."""
NAMES, BARS, TEXTS = 330, 240, 350
"""Widths of the columns, in pixels."""
DECADES = 1.0
"""Factor between the target and each end of the scale, as a power of ten."""
MET, MISSED = "#2e7d32", "#c62828"


def write_picture(lines: Sequence[ReportLine], title: str, path: Path) -> None:
    """Write the lines that have a target. Raise `OSError` if the file cannot be written."""
    measured = [line for line in lines if line.is_met is not None]
    height = TOP + ROW * len(measured) + 8
    svg = ET.Element("svg", {
        "xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {NAMES + BARS + TEXTS} {height}",
        "font-family": "sans-serif", "font-size": "12", "role": "img",
    })  # fmt: skip
    ET.SubElement(svg, "title").text = title
    ET.SubElement(svg, "rect", {"width": "100%", "height": "100%", "fill": "white"})
    _write(svg, 8, 16, title)
    _write(svg, NAMES + BARS / 2, 36, "target", anchor="middle")
    for number, line in enumerate(measured):
        _draw_row(svg, line, TOP + ROW * number)
    middle = str(NAMES + BARS / 2)
    ET.SubElement(svg, "line", {
        "x1": middle, "x2": middle, "y1": str(TOP - 4), "y2": str(height - 4), "stroke": "#333",
    })  # fmt: skip
    ET.indent(svg)
    path.write_text(ET.tostring(svg, encoding="unicode") + "\n", encoding="utf-8")


def _draw_row(svg: ET.Element, line: ReportLine, top: float) -> None:
    _write(svg, NAMES - 8, top + 15, line.what, anchor="end")
    ET.SubElement(svg, "rect", {
        "x": str(NAMES), "y": str(top + 3), "width": f"{BARS * _share(line):.0f}",
        "height": str(ROW - 6), "fill": MET if line.is_met else MISSED,
    })  # fmt: skip
    sign = "≤" if line.is_maximum else "≥"
    text = f"{line.ratio:.2f} ({sign} {line.target:g}): {line.reference}"
    _write(svg, NAMES + BARS + 8, top + 15, text)


def _share(line: ReportLine) -> float:
    """Return how much of the scale the bar takes, 0 to 1; a bar of 0.5 just meets its target."""
    assert line.ratio is not None
    assert line.target is not None
    times = line.target / line.ratio if line.is_maximum else line.ratio / line.target
    return min(1.0, max(0.0, 0.5 + math.log10(times) / (2 * DECADES)))


def _write(svg: ET.Element, x: float, y: float, text: str, anchor: str = "start") -> None:
    ET.SubElement(svg, "text", {"x": str(x), "y": str(y), "text-anchor": anchor}).text = text
