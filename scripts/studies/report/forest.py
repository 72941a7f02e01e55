"""Every loss against the chosen one, and every loss against every other."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from ..analysis import Analysis, Pair
from .palette import BETTER, GRID, INK, MUTED, SHADE, WORSE, Style
from .svg import in_style, new_figure
from .words import short

SYMBOLS = {
    "better by more than the margin": ("++", "--"),
    "better": ("+", "-"),
    "equivalent": ("=", "="),
    "undecided": ("?", "?"),
    "exploratory": ("·", "·"),
}


@in_style
def draw_forest(analysis: Analysis, styles: Mapping[str, Style]) -> Figure:
    """Draw the difference of each loss to the chosen one with its simultaneous interval, on the shaded margin."""
    results = {result.loss: result for result in analysis.losses}
    figure, (axis,) = new_figure(1.1 + 0.27 * (len(analysis.against_chosen) + 1))
    labels = draw_differences(axis, analysis, styles)
    for row, loss in enumerate(labels):
        result = results[loss]
        rank = f"{result.rank_low}" if result.rank_low == result.rank_high else f"{result.rank_low}-{result.rank_high}"
        axis.annotate(
            rank,
            (1, row),
            xycoords=("axes fraction", "data"),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontweight="bold" if result.in_best_set else "normal",
        )
    axis.annotate("rank", (1, 1), xycoords="axes fraction", xytext=(6, 5), textcoords="offset points", color=MUTED)
    axis.set_yticks(range(len(labels)), [short(loss) for loss in labels])
    for label, loss in zip(axis.get_yticklabels(), labels, strict=True):
        label.set_fontweight("bold" if results[loss].in_best_set else "normal")
    axis.set_ylim(len(labels) - 0.4, -0.6)
    axis.grid(axis="y", visible=False)
    axis.tick_params(axis="y", length=0)
    return figure


def draw_differences(axis: Axes, analysis: Analysis, styles: Mapping[str, Style]) -> list[str]:
    """Draw the chosen loss and the differences of the others to it, a row each; returns the losses, from row 0 on."""
    others = analysis.against_chosen
    axis.axvspan(-analysis.margin, analysis.margin, color=SHADE, linewidth=0)
    axis.axvline(0, color=MUTED, linewidth=0.9)
    losses = [analysis.chosen, *(other.loss for other in others)]
    for row, loss in enumerate(losses):
        style = styles[loss]
        difference = 0.0
        if row:
            other = others[row - 1]
            difference = other.difference
            axis.plot([other.low, other.high], [row, row], color=style.colour, linewidth=2.2, solid_capstyle="round")
        axis.plot(difference, row, marker=style.marker, color=style.colour, markersize=6, linestyle="")
    axis.xaxis.set_major_locator(MaxNLocator(nbins=6))
    axis.set_xlabel(f"worse than {short(analysis.chosen)}  ←    →  better\ndifference in score")
    return losses


@in_style
def draw_significance(analysis: Analysis) -> Figure:
    """Draw the matrix of all pairs: a row's loss is better (+), worse (-), equivalent (=) or undecided (?)."""
    results = sorted(analysis.losses, key=lambda result: -result.estimate.mean)
    losses = [result.loss for result in results]
    size = len(losses)
    figure, (axis,) = new_figure(1.0 + 0.31 * size)
    for row, first in enumerate(losses):
        for column, second in enumerate(losses):
            if first != second:
                _draw_cell(axis, row, column, symbol(analysis.pair(first, second)))
    axis.set_xticks(range(size), [short(loss, 14) for loss in losses], rotation=40, ha="left", rotation_mode="anchor")
    axis.xaxis.tick_top()
    axis.set_yticks(range(size), [short(loss) for loss in losses])
    axis.set_xlim(-0.6, size - 0.4)
    axis.set_ylim(size - 0.4, -0.6)
    axis.tick_params(length=0)
    axis.grid(visible=False)
    for spine in axis.spines.values():
        spine.set_visible(False)
    return figure


def symbol(pair: Pair) -> str:
    """What is known of ``pair.a`` against ``pair.b``, as one of the map's signs."""
    won, lost = SYMBOLS[pair.verdict]
    return lost if pair.better == pair.b else won


def _draw_cell(axis: Axes, row: int, column: int, sign: str) -> None:
    colour = {"+": BETTER, "-": WORSE, "=": MUTED}.get(sign[0])
    corner, size = (column - 0.46, row - 0.44), (0.92, 0.88)
    if colour:
        alpha = 0.14 if len(sign) == 1 else 0.34
        axis.add_patch(Rectangle(corner, *size, facecolor=colour, edgecolor="none", alpha=alpha))
    axis.add_patch(Rectangle(corner, *size, facecolor="none", edgecolor=GRID, linewidth=0.7))
    weight = "bold" if colour else "normal"
    axis.text(column, row, sign, ha="center", va="center", color=INK if colour else MUTED, fontweight=weight)
