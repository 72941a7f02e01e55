"""Further scores: per class, distances, calibration. Described with intervals, and not tested."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..analysis import Analysis
from ..design import find_design
from ..estimation import Estimate, estimate
from ..pairs import clip
from ..scores import Floats, ScoreTable
from ..terms import Terms
from .record import CaseScore
from .standing import by_mean
from .tables import Cell, Table

FRACTIONS = ("dice", "iou", "surface", "ece")
HIGHER, LOWER = ("dice", "iou", "surface"), ("hd", "assd", "ece", "abs_volume", "distance")
NEAREST_ZERO = ("volume_difference",)  # with a sign: too little is as bad as too much


def metric_tables(analysis: Analysis, scores: Sequence[CaseScore], terms: Terms) -> list[Table]:
    """Means of all further scores, a column a score, and the same in rows with their intervals; empty without any."""
    names = list(dict.fromkeys(name for score in scores for name in score.metrics))
    if not names:
        return []
    grids = {name: metric_grid(analysis.table, scores, name) for name in names}
    design = find_design(analysis.table)
    wide: list[list[Cell]] = []
    long: list[list[Cell]] = []
    for result in by_mean(analysis):
        row: list[Cell] = [result.loss]
        for name in names:
            values = grids[name][analysis.table.index(result.loss)].reshape(-1)
            found = int((~np.isnan(values)).sum())
            known = estimate(values, design) if found else None
            low, high = possible_interval(name, known) if known else (math.nan, math.nan)
            row.append(known.mean if known else math.nan)
            long.append([name, result.loss, row[-1], low, high, found])
        wide.append(row)
    heads = [terms.thing, *(f"{name}{direction(name)}" for name in names)]
    digits = {head: 2 for head, name in zip(heads[1:], names, strict=True) if is_distance(name)}
    long.sort(key=lambda row: names.index(str(row[0])))
    return [
        Table("further_scores", "Further scores, means (exploratory)", heads, wide, digits=digits),
        Table(
            "further_scores_intervals",
            "Further scores with 95 % intervals (exploratory)",
            ["score", terms.thing, "mean", "95 % low", "95 % high", "values"],
            long,
            note="Intervals end where the score does, such as at 0 and 1.",
        ),
    ]


def zeros_by_class(scores: Sequence[CaseScore]) -> dict[str, int]:
    """By loss, how many Dice scores of single classes are exactly 0, wherever they are among the further scores.

    The primary score of a case with several classes hides them: it is 0 only where all of its classes are.
    """
    found: dict[str, int] = {}
    for score in scores:
        values = [
            value
            for name, value in score.metrics.items()
            if (parts := name.lower().partition("/"))[0] == "dice" and parts[2] not in ("", "mean")
        ]
        if values:
            found[score.loss] = found.get(score.loss, 0) + values.count(0.0)
    return found


def possible_interval(name: str, known: Estimate) -> tuple[float, float]:
    """The 95 % interval of a score's mean within the values that the score can have; NaN where there is none."""
    if not math.isfinite(known.standard_error):
        return math.nan, math.nan
    ends = known.interval()
    lowest, highest = possible_range(name)
    return clip(ends[0], lowest, highest), clip(ends[1], lowest, highest)


def possible_range(name: str) -> tuple[float, float]:
    """The lowest and highest value of a score, by its name; infinite where the name does not tell.

    >>> possible_range("dice/prostate"), possible_range("hd95_mm/prostate"), possible_range("volume_difference_ml/x")
    ((0.0, 1.0), (0.0, inf), (-inf, inf))
    """
    lower = name.lower()
    if "volume" in lower:
        return (-2.0, 2.0) if "relative" in lower else (-math.inf, math.inf)
    if is_distance(name):
        return 0.0, math.inf
    return (0.0, 1.0) if any(word in lower for word in FRACTIONS) else (-math.inf, math.inf)


def metric_grid(table: ScoreTable, scores: Sequence[CaseScore], name: str) -> Floats:
    """One further score in the shape of the table's values, (L, R, N); NaN where there is none."""
    losses = {loss: number for number, loss in enumerate(table.losses)}
    repeats = {repeat: number for number, repeat in enumerate(table.repeats)}
    cases = {case: number for number, case in enumerate(table.cases)}
    grid = np.full(table.values.shape, np.nan)
    for score in scores:
        grid[losses[score.loss], repeats[score.repeat], cases[score.case]] = score.metrics.get(name, math.nan)
    return grid


def direction(name: str) -> str:
    """An arrow to where a score is better, by its name; nothing where the name does not tell."""
    lower = name.lower()
    if any(word in lower for word in HIGHER):
        return " ↑"
    if any(word in lower for word in LOWER):
        return " ↓"
    return " → 0" if any(word in lower for word in NEAREST_ZERO) else ""


def is_distance(name: str) -> bool:
    """Whether a score is a distance in millimetres or pixels, by its name."""
    return direction(name) == " ↓" and any(word in name.lower() for word in ("hd", "assd", "distance"))
