"""Figures on the page: its colours, its font, and every letter and digit as drawn."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from scripts.studies.report.palette import DARK, INK, LIGHT, THEME, loss_styles
from scripts.studies.report.svg import in_style, new_figure, to_svg


@in_style
def drawn(name: str = "one", text: str = "0.123456 #1660cb") -> str:
    figure, (axis,) = new_figure(2)
    axis.plot([0, 1], [0, 1], color=LIGHT[0], marker="o")
    axis.text(0.1, 0.5, text, color=INK)
    axis.set_title('a_$b$ <x> "q"')
    return to_svg(figure, name, 'a "line"')


def test_letters_and_digits_of_labels_stay_as_they_are() -> None:
    texts = [element.text for element in ET.fromstring(drawn()).iter() if element.tag.endswith("text")]
    assert "0.123456 #1660cb" in texts
    assert 'a_$b$ <x> "q"' in texts


def test_colours_are_the_pages_variables() -> None:
    svg = drawn()
    assert f"var(--loss0, {LIGHT[0]})" in svg
    assert f"var(--ink, {INK})" in svg
    assert not re.findall(r"(?:fill|stroke): #[0-9a-f]{6}", svg)
    assert "font-family" not in svg


def test_identifiers_of_two_figures_differ_and_hold_within_one() -> None:
    found = [set(re.findall(r'\bid="([^"]+)"', drawn(name))) for name in ("one", "two")]
    assert found[0]
    assert not found[0] & found[1]
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', drawn())) <= found[0]


def test_the_same_drawing_has_the_same_bytes() -> None:
    assert drawn() == drawn()


def test_a_figure_says_what_it_shows() -> None:
    root = ET.fromstring(drawn())
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == 'a "line"'
    assert "width" not in root.attrib


def _linear(colour: str) -> list[float]:
    values = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    return [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values]


def _contrast(colour: str, paper: str) -> float:
    bright, dim = sorted(
        (sum(w * v for w, v in zip((0.2126, 0.7152, 0.0722), _linear(c), strict=True)) for c in (colour, paper)),
        reverse=True,
    )
    return (bright + 0.05) / (dim + 0.05)


def test_every_colour_can_be_seen_on_its_paper() -> None:
    for place, colours in enumerate((LIGHT, DARK)):
        paper = THEME["paper"][place]
        assert all(_contrast(colour, paper) > 2.9 for colour in colours)
        for name in ("ink", "muted", "better", "worse"):
            assert _contrast(THEME[name][place], paper) > 4.5


# Machado, Oliveira, Fernandes (2009), severity 1.
SIGHTS = {
    "normal": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def _lab(rgb: list[float]) -> tuple[float, float, float]:
    """CIELAB of linear sRGB under D65."""
    rows = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    white = (0.9505, 1.0, 1.089)
    xyz = [sum(w * v for w, v in zip(row, rgb, strict=True)) / n for row, n in zip(rows, white, strict=True)]
    x, y, z = (v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in xyz)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def test_twelve_losses_can_be_told_apart_with_any_sight() -> None:
    for colours in (LIGHT, DARK):
        for matrix in SIGHTS.values():
            seen = []
            for colour in colours:
                linear = _linear(colour)
                mixed = [sum(w * v for w, v in zip(row, linear, strict=True)) for row in matrix]
                seen.append(_lab([min(max(value, 0.0), 1.0) for value in mixed]))
            for place, one in enumerate(seen):
                for other in seen[:place]:
                    assert sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5 >= 15


def test_a_loss_of_the_bundle_has_the_same_colour_in_every_study() -> None:
    few, many = loss_styles(["adfl", "ce"]), loss_styles(["mine", "ce", "dfl", "ADFL", "other"])
    assert few["ce"] == many["ce"]
    assert few["adfl"] == many["ADFL"]


def test_fifty_losses_differ_in_colour_or_marker() -> None:
    styles = loss_styles([f"loss{number}" for number in range(50)])
    assert len({(style.colour, style.marker) for style in styles.values()}) == 50
