"""Scores of the same patient under two losses: one dot per patient, repeats as faint points, scores of 0 crossed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from numpy.typing import NDArray

from ..scores import Floats, ScoreTable
from .palette import INK, MUTED, WORSE, Style
from .svg import in_style, new_figure
from .words import short

GOLDEN = 0.6180339887  # its multiples spread evenly between 0 and 1


@dataclass(frozen=True, eq=False)
class PatientScores:
    """Scores by patient: (L, R, P), NaN where there is none, and whether one of the patient's cases was missed."""

    patients: Sequence[str]
    values: Floats
    missed: NDArray[np.bool_]


def patient_scores(table: ScoreTable) -> PatientScores:
    """Means over the cases of each patient, in the order in which patients appear."""
    names = list(dict.fromkeys(table.patients))
    codes = np.array([names.index(name) for name in table.patients]) if len(names) < len(table.patients) else None
    if codes is None:
        return PatientScores(names, table.values, table.values == 0)
    shape = (*table.values.shape[:2], len(names))
    sums, counts, missed = np.zeros(shape), np.zeros(shape), np.zeros(shape, dtype=bool)
    for case, code in enumerate(codes):
        here = table.values[:, :, case]
        sums[:, :, code] += np.nan_to_num(here)
        counts[:, :, code] += ~np.isnan(here)
        missed[:, :, code] |= here == 0
    values = np.full(shape, np.nan)
    np.divide(sums, counts, out=values, where=counts > 0)
    return PatientScores(names, values, missed)


def mean_over_repeats(values: Floats) -> Floats:
    """Mean over the first axis without NaN; NaN where all are."""
    counts = (~np.isnan(values)).sum(axis=0)
    means = np.full(values.shape[1:], np.nan)
    np.divide(np.nansum(values, axis=0), counts, out=means, where=counts > 0)
    return means


@in_style
def draw_differences(
    scores: PatientScores, losses: Sequence[str], chosen: str, others: Sequence[str], styles: Mapping[str, Style]
) -> tuple[Figure, int]:
    """Draw a row per loss with the difference chosen - loss of every patient.

    Returns:
        The figure, and how many points lie beyond its edge and are drawn on it.
    """
    first = scores.values[losses.index(chosen)]
    figure, (axis,) = new_figure(1.0 + 0.52 * len(others))
    gaps = {loss: first - scores.values[losses.index(loss)] for loss in others}
    missed = {loss: scores.missed[losses.index(chosen)] | scores.missed[losses.index(loss)] for loss in others}
    ordinary = np.concatenate([np.abs(gap[~np.isnan(gap) & ~missed[loss]]) for loss, gap in gaps.items()])
    limit = max(float(np.quantile(ordinary, 0.99)) * 1.2, 1e-3) if ordinary.size else 1.0
    axis.axvline(0, color=MUTED, linewidth=0.9)
    for row, loss in enumerate(others):
        heights = row + (np.arange(len(scores.patients)) * GOLDEN % 1 - 0.5) * 0.66
        places = np.clip(gaps[loss], -limit, limit), np.tile(heights, (len(first), 1))
        _draw_points(axis, *places, missed[loss], styles[loss])
        mean = np.nanmean(mean_over_repeats(gaps[loss]))
        axis.plot([mean, mean], [row - 0.4, row + 0.4], color=INK, linewidth=1.6)
    axis.set_yticks(range(len(others)), [short(loss) for loss in others])
    axis.set_ylim(len(others) - 0.45, -0.55)
    axis.set_xlim(-1.04 * limit, 1.04 * limit)
    axis.grid(axis="y", visible=False)
    axis.tick_params(axis="y", length=0)
    axis.set_xlabel(f"worse with {short(chosen)}  ←    →  better\ndifference in score")
    return figure, sum(int((np.abs(gap) > limit).sum()) for gap in gaps.values())


@in_style
def draw_pair(
    scores: PatientScores, losses: Sequence[str], chosen: str, other: str, style: Style
) -> tuple[Figure, int]:
    """Draw the score of every patient with the chosen loss over that with another; above the line the chosen wins.

    Returns:
        The figure, and how many points lie below its edge and are drawn on it.
    """
    x, y = (scores.values[losses.index(loss)] for loss in (other, chosen))
    missed = scores.missed[losses.index(chosen)] | scores.missed[losses.index(other)]
    figure, (axis,) = new_figure(4.1)
    both = ~np.isnan(x) & ~np.isnan(y)
    seen = np.concatenate([part[both & ~missed] for part in (x, y)])
    low, high = (float(np.quantile(seen, 0.003, method="lower")), float(seen.max())) if seen.size else (0.0, 1.0)
    below = both & ((x < low) | (y < low))
    x, y = (np.where(both, np.maximum(part, low), np.nan) for part in (x, y))
    edge = 0.03 * max(high - low, 0.01)
    axis.plot([low - edge, high + edge], [low - edge, high + edge], color=MUTED, linewidth=0.9)
    _draw_points(axis, x, y, missed, style, size=3.6)
    axis.set_xlim(low - edge, high + edge)
    axis.set_ylim(low - edge, high + edge)
    axis.set_aspect("equal")
    axis.set_xlabel(f"score with {short(other)}")
    axis.set_ylabel(f"score with {short(chosen)}")
    return figure, int(below.sum())


def _draw_points(axis: Axes, x: Floats, y: Floats, missed: NDArray[np.bool_], style: Style, size: float = 2.6) -> None:
    """(R, P) coordinates: faint points a repeat, a dot at each patient's mean, crosses where an object was missed."""
    here = ~np.isnan(x) & ~np.isnan(y)
    if len(x) > 1:
        _dots(axis, x[here], y[here], style.colour, 0.7 * size, 0.22)
    both = np.where(here, x, np.nan), np.where(here, y, np.nan)
    means = [mean_over_repeats(part) for part in both]
    kept = ~np.isnan(means[0])
    _dots(axis, means[0][kept], means[1][kept], style.colour, size, 0.9)
    crossed = here & missed
    _crosses(axis, x[crossed], y[crossed])


def _dots(axis: Axes, x: Floats, y: Floats, colour: str, size: float, alpha: float) -> None:
    """Dots as one path of points with round ends: a tenth of the bytes of a marker each."""
    if not len(x):
        return
    points = np.stack([x, y], axis=1).repeat(2, axis=0)
    codes = np.tile([Path.MOVETO, Path.LINETO], len(x))
    path = Path(points, codes)
    path.should_simplify = False
    patch = PathPatch(path, facecolor="none", edgecolor=colour, linewidth=size, capstyle="round", alpha=alpha)
    axis.add_patch(patch)


def _crosses(axis: Axes, x: Floats, y: Floats) -> None:
    axis.plot(x, y, linestyle="", marker="x", markersize=4.5, markeredgewidth=1.1, color=WORSE)
