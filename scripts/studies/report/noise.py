"""Where the noise of a comparison comes from, and how its interval shrinks with repeats and patients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy import stats

from ..components import Components
from ..terms import Terms
from .palette import INK, LIGHT, MUTED
from .svg import in_style, new_figure

MOST_REPEATS = 12
LINE = 0.075  # height of a line of letters, as a share of the axis of widths


def shares(components: Components, patients: int, repeats: int) -> tuple[float, float, float]:
    """Parts of the variance of the mean difference: patients, trainings, the rest; they sum to 1 (all 0: no noise)."""
    parts = np.array(
        [
            components.patient / patients,
            components.training / (components.folds * repeats),
            components.residual / (patients * repeats),
        ]
    )
    total = parts.sum()
    return tuple(parts / total if total else parts)


def half_width(components: Components, patients: int, repeats: int) -> float:
    """Half of the 95 % interval of the difference with so many patients and repeats, two-way clustered."""
    degrees = components.degrees(patients, repeats)
    if degrees < 1:
        return float("inf")
    return float(stats.t.ppf(0.975, degrees) * components.standard_error(patients, repeats))


@in_style
def draw_noise(components: Components, patients: int, repeats: int, margin: float, terms: Terms) -> Figure:
    """Draw the parts of the variance as a bar and the interval's half width over repeats."""
    figure, (bar, curve) = new_figure(3.7, rows=2, heights=(0.9, 3))
    left, parts = 0.0, (terms.units, "trainings", "the rest")
    for number, (name, share) in enumerate(zip(parts, shares(components, patients, repeats), strict=True)):
        bar.barh(0, share, left=left, color=LIGHT[(0, 4, 11)[number]], height=0.6)
        left += share
        bar.plot([], [], color=LIGHT[(0, 4, 11)[number]], linewidth=6, label=f"{name} {100 * share:.0f} %")
    bar.legend(ncols=3, loc="lower left", bbox_to_anchor=(0, 0.95), borderaxespad=0, handlelength=1, columnspacing=1.4)
    bar.set_axis_off()
    bar.set_xlim(0, 1)
    _draw_widths(curve, components, patients, repeats, margin, terms)
    return figure


def _draw_widths(axis: Axes, components: Components, patients: int, repeats: int, margin: float, terms: Terms) -> None:
    most = max(MOST_REPEATS, repeats + 2)
    counts = range(1, most + 1)
    top = _readable_top([half_width(components, patients, count) for count in (min(2, repeats), repeats)], margin)
    ends = [(margin, "margin", MUTED)]
    for number, (factor, style) in enumerate(((1, "-"), (2, "--"), (4, ":"))):
        widths = [half_width(components, factor * patients, count) for count in counts]
        axis.plot(counts, widths, style, color=LIGHT[0], linewidth=1.8 - 0.2 * number)
        ends.append((widths[-1], f"{factor * patients} {terms.units}", INK))
    ends.sort(key=lambda end: end[0])
    for height, (_width, label, colour) in zip(apart([end[0] for end in ends], top), ends, strict=True):
        axis.annotate(label, (most, height), xytext=(4, 0), textcoords="offset points", va="center", color=colour)
    axis.plot(repeats, half_width(components, patients, repeats), "o", color=LIGHT[1], markersize=7)
    axis.annotate(
        "now",
        (repeats, half_width(components, patients, repeats)),
        xytext=(5, 6),
        textcoords="offset points",
        fontweight="bold",
    )
    axis.axhline(margin, color=MUTED, linewidth=0.9)
    axis.set_ylim(0, top)
    axis.set_xlim(0.8, most)
    axis.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
    axis.set_xlabel("repeats")
    axis.set_ylabel("half of the 95 % interval")


def apart(heights: Sequence[float], top: float) -> list[float]:
    """Ascending heights of labels beside an axis from 0 to ``top``, moved up, and then down, as far as they overlap."""
    gap = LINE * top
    placed: list[float] = []
    for height in heights:
        placed.append(max(min(height, top), placed[-1] + gap if placed else 0.0))
    for place in range(len(placed) - 1, -1, -1):
        placed[place] = min(placed[place], top - gap * (len(placed) - 1 - place))
    return placed


def _readable_top(widths: Sequence[float], margin: float) -> float:
    finite = [width for width in widths if np.isfinite(width)]
    return 1.25 * max([*finite, margin])
