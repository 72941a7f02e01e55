"""Matplotlib's figures as inline SVG: small, the same bytes for the same numbers, in the page's colours and fonts."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .palette import GRID, INK, LIGHT, MUTED, THEME

WIDTH = 4.7  # inches: narrow, so that the letters stay readable on a telephone, where the page shrinks it
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",  # letters stay letters: searchable, and in the page's own font
    "svg.hashsalt": "report",
    "text.parse_math": False,  # a name may hold a dollar sign
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "axes.formatter.useoffset": False,
    "axes.unicode_minus": False,
}
in_style = mpl.rc_context(SETTINGS)  # decorator of a function that draws
_VARIABLES = {colour: f"var(--loss{i}, {colour})" for i, colour in enumerate(LIGHT)} | {
    light: f"var(--{name}, {light})" for name, (light, _dark) in THEME.items()
}


def new_figure(
    height: float, rows: int = 1, columns: int = 1, heights: Sequence[float] | None = None
) -> tuple[Figure, list[Axes]]:
    """A figure with ``rows`` x ``columns`` axes, read row by row; for functions that draw ``in_style``.

    Args:
        height: of the figure, in inches.
        rows: of axes.
        columns: of axes.
        heights: of the rows, relative to one another; None: all equal.
    """
    figure = Figure(figsize=(WIDTH, height), layout="constrained", facecolor="none")
    axes = figure.subplots(rows, columns, squeeze=False, height_ratios=heights)
    for axis in axes.flat:
        axis.set_facecolor("none")
    return figure, list(axes.flat)


def to_svg(figure: Figure, name: str, description: str) -> str:
    """The figure as one SVG element for an HTML page.

    Args:
        figure: made by ``new_figure``.
        name: a word that no other figure of the page has; identifiers begin with it.
        description: what it shows, for those who can't see it.
    """
    text = io.StringIO()
    with mpl.rc_context(SETTINGS):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<(metadata|style)\b.*?</\1>\s*|<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(
        r"<[^>]+>", lambda tag: _for_page(tag[0], name), svg
    )  # tags alone: letters and numbers stay as they are
    head = f'<svg role="img" aria-label="{escape(description)}" '
    return re.sub(r"<svg ", lambda _match: head, svg, count=1)


def _for_page(tag: str, name: str) -> str:
    """A tag of matplotlib's with the page's colours and font, shorter numbers and identifiers of this figure's own."""
    tag = re.sub(r'^<g id="[^"]*"', "<g", tag)
    if tag.startswith("<svg"):
        tag = re.sub(r' (?:height|width)="[^"]*"', "", tag)  # the page sets the width, the view box the shape
    tag = re.sub(r"(\d\.\d\d)\d+", r"\1", tag)
    tag = re.sub(r"#[0-9a-f]{6}\b(?=[;\"])", lambda match: _VARIABLES.get(match[0], match[0]), tag)
    tag = re.sub(r"font-family: [^;\"]*; ?", "", tag)
    tag = re.sub(r'\bid="', f'id="{name}-', tag)
    tag = re.sub(r'(url\(|href=")#', rf"\1#{name}-", tag)
    return re.sub(r" ?\n\s*(?=[LMCQzZ\"])", " ", tag)
