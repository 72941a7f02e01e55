"""How the runs learned: validation scores and adaptive class weights over epochs, with bands over runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from .palette import LIGHT, MUTED, Style
from .record import Curve, WeightPath
from .svg import in_style, new_figure
from .words import short

TITLE = {1: 40, 2: 22, 3: 14}  # letters that fit over a panel, by the number of columns
Band = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


@in_style
def draw_learning_curves(curves: Sequence[Curve], styles: Mapping[str, Style]) -> Figure:
    """Draw for each loss the mean validation score over its runs and the band from the lowest to the highest run."""
    losses = [loss for loss in styles if any(curve.loss == loss and len(curve.epochs) for curve in curves)]
    bands = {loss: band([(c.epochs, c.values) for c in curves if c.loss == loss and len(c.epochs)]) for loss in losses}
    columns = min(3, len(losses))
    rows = math.ceil(len(losses) / columns)
    figure, axes = new_figure(0.4 + 1.15 * rows, rows, columns)
    lowest = min(float(np.nanmin(low)) for _x, _mean, low, _high in bands.values())
    highest = max(float(np.nanmax(high)) for _x, _mean, _low, high in bands.values())
    for axis, loss in zip(axes, losses, strict=False):
        for other in losses:
            axis.plot(bands[other][0], bands[other][1], color=MUTED, linewidth=0.6)
        _draw_band(axis, bands[loss], styles[loss].colour)
        axis.set_title(short(loss, TITLE[columns]))
        axis.set_ylim(max(0.0, lowest - 0.02), min(1.0, highest + 0.02))
    _finish(axes, losses, columns)
    return figure


@in_style
def draw_weight_paths(paths: Sequence[WeightPath], losses: Sequence[str]) -> Figure:
    """Draw for each loss with learnable class weights the mean weight of every class and its band over runs."""
    losses = [loss for loss in losses if any(path.loss == loss for path in paths)]
    classes = list(dict.fromkeys(name for path in paths for name in path.weights))
    columns = min(2, len(losses))
    rows = math.ceil(len(losses) / columns)
    figure, axes = new_figure(0.6 + 1.5 * rows + 0.18 * math.ceil(len(classes) / 3), rows, columns)
    for axis, loss in zip(axes, losses, strict=False):
        for number, name in enumerate(classes):
            runs = [(p.epochs, p.weights[name]) for p in paths if p.loss == loss and name in p.weights]
            if runs:
                _draw_band(axis, band(runs), LIGHT[number % len(LIGHT)], short(name, 18))
        axis.set_title(short(loss, TITLE[columns]))
    figure.legend(*_handles(axes), loc="outside lower center", ncols=3)
    _finish(axes, losses, columns)
    return figure


def band(runs: Sequence[tuple[Sequence[float], Sequence[float]]]) -> Band:
    """Epochs, and at each the mean, the lowest and the highest value of the runs that reach it.

    Values between two epochs of a run are interpolated.
    """
    epochs = np.array(sorted({float(epoch) for run_epochs, _values in runs for epoch in run_epochs}))
    if len(epochs) > 200:
        epochs = np.linspace(epochs[0], epochs[-1], 200)
    values = np.full((len(runs), len(epochs)), np.nan)
    for row, (run_epochs, run_values) in enumerate(runs):
        order = np.argsort(np.asarray(run_epochs, dtype=float))
        x, y = np.asarray(run_epochs, dtype=float)[order], np.asarray(run_values, dtype=float)[order]
        reached = (epochs >= x[0]) & (epochs <= x[-1])
        values[row, reached] = np.interp(epochs[reached], x, y)
    kept = np.isfinite(values).any(axis=0)
    epochs, values = epochs[kept], values[:, kept]
    return epochs, np.nanmean(values, axis=0), np.nanmin(values, axis=0), np.nanmax(values, axis=0)


def _draw_band(axis: Axes, drawn: Band, colour: str, label: str | None = None) -> None:
    epochs, mean, low, high = drawn
    axis.fill_between(epochs, low, high, color=colour, alpha=0.2, linewidth=0)
    axis.plot(epochs, mean, color=colour, linewidth=1.6, label=label, marker="o" if len(epochs) == 1 else "")


def _handles(axes: Sequence[Axes]) -> tuple[list[Artist], list[str]]:
    """Each label of any of the axes once."""
    found = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    return list(found.values()), list(found)


def _finish(axes: Sequence[Axes], losses: Sequence[str], columns: int) -> None:
    for number, axis in enumerate(axes):
        axis.set_visible(number < len(losses))
        axis.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True, min_n_ticks=1))
        if number + columns >= len(losses):
            axis.set_xlabel("epoch")
