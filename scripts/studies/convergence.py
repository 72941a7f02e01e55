"""Whether trainings were long enough: validation that still rises at the end, and classes that a network has lost."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from .report.record import CaseScore, Curve

LOST = 0.05  # mean Dice of a class over the cases that a run has tested, below which it has lost the class
FEWEST_VALIDATIONS = 3  # of a run whose last third can be told from what comes before


@dataclass(frozen=True)
class Convergence:
    """What a study's runs say of their length.

    Args:
        runs: number of runs with scores.
        lost: (loss, repeat, fold) of the runs that have lost a class, with its name ("" where all scores are of one).
        rising: losses whose validation score still rises by more than the margin over the last third of their epochs.
        judged: losses with enough validations to tell.
    """

    runs: int
    lost: Mapping[tuple[str, int, int], str]
    rising: tuple[str, ...]
    judged: tuple[str, ...]


def find_convergence(
    scores: Sequence[CaseScore], curves: Sequence[Curve], margin: float, primary: str = "Dice"
) -> Convergence:
    """Judge the runs of a study.

    Args:
        scores: of every case. Columns ``dice/<class>`` tell of the classes; without them the primary score does, where
            it is a Dice.
        curves: validation scores over epochs.
        margin: smallest difference that matters.
        primary: name of the primary score.
    """
    runs: dict[tuple[str, int, int], list[CaseScore]] = defaultdict(list)
    for score in scores:
        runs[score.loss, score.repeat, score.fold].append(score)
    found = {place: _lost_class(rows, "dice" in primary.lower()) for place, rows in runs.items()}
    rises: dict[str, list[float]] = defaultdict(list)
    for curve in curves:
        rise = late_rise(curve.values)
        if rise is not None:
            rises[curve.loss].append(rise)
    return Convergence(
        runs=len(runs),
        lost={place: name for place, name in found.items() if name is not None},
        rising=tuple(loss for loss, values in rises.items() if fmean(values) > margin),
        judged=tuple(rises),
    )


def late_rise(values: Sequence[float]) -> float | None:
    """How much the best of the last third of a run's validations exceeds the best before; None with fewer than three.

    >>> late_rise([0.1, 0.5, 0.7, 0.7, 0.75]), late_rise([0.1, 0.5])
    (0.05, None)
    """
    if len(values) < FEWEST_VALIDATIONS:
        return None
    last = math.ceil(len(values) / 3)
    return round(max(values[-last:]) - max(values[:-last]), 9)


def _lost_class(rows: Sequence[CaseScore], primary_is_dice: bool) -> str | None:
    """The class of the lowest mean Dice of a run, where that is below ``LOST``."""
    values: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        for name, value in row.metrics.items():
            measure, _, label = name.lower().partition("/")
            if measure == "dice" and label not in ("", "mean", "background"):
                values[name.partition("/")[2]].append(value)
    if not values and primary_is_dice:
        values[""] = [row.score for row in rows]
    means = {name: mean for name, of_class in values.items() if (mean := _mean(of_class)) is not None}
    lowest = min(means, key=lambda key: means[key], default=None)
    return lowest if lowest is not None and means[lowest] < LOST else None


def _mean(values: Iterable[float]) -> float | None:
    there = [value for value in values if not math.isnan(value)]
    return fmean(there) if there else None
