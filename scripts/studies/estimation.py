"""Means of clustered scores and their standard errors.

Two runs of the same loss differ, and two patients differ, so a cell (repeat, patient) shares noise with every other
cell of its patient and with every other cell of its run. Cameron, Gelbach, Miller, "Robust inference with multiway
clustering", J. Business & Economic Statistics 29 (2011), give the standard error of a mean under both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from .design import Design, Kind
from .scores import Floats, Integers


@dataclass(frozen=True)
class Estimate:
    """A mean and how well it is known.

    Args:
        mean: the mean over the cells.
        standard_error: >= 0; infinite where the design cannot tell (one run).
        degrees: degrees of freedom of t; 0 where the standard error is infinite.
        patients: number of independent units in the cells.
        trainings: number of independent training sets in the cells (runs; with fixed folds the folds).
        cells: number of scores, or of differences.
    """

    mean: float
    standard_error: float
    degrees: int
    patients: int
    trainings: int
    cells: int

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Two-sided interval at a level between 0 and 1."""
        reach = self.reach((1 + level) / 2)
        return self.mean - reach, self.mean + reach

    def reach(self, quantile: float) -> float:
        """Distance from the mean to a one-sided bound: quantile of t times the standard error."""
        if not np.isfinite(self.standard_error):
            return float("inf")
        return float(stats.t.ppf(quantile, self.degrees)) * self.standard_error

    def p_value(self, margin: float = 0.0) -> float:
        """Two-sided p-value of "the absolute mean is at most ``margin``" (0: of no difference)."""
        distance = abs(self.mean) - margin
        if distance <= 0 or not np.isfinite(self.standard_error):
            return 1.0
        if self.standard_error == 0:
            return 0.0
        return float(2 * stats.t.sf(distance / self.standard_error, self.degrees))


@dataclass(frozen=True, eq=False)
class Moments:
    """The parts of the two-way variance, each (...,): squared sums by cluster over n squared, without corrections."""

    mean: Floats
    by_patient: Floats
    by_training: Floats
    by_cell: Floats
    patients: int
    trainings: int
    cells: int
    observations: int


def moments(values: Floats, patients: Integers, trainings: Integers) -> Moments:
    """Sums of squares by patient, by training set and by both.

    Args:
        values: (..., n) without NaN; leading axes are data sets of the same design.
        patients: (n) codes.
        trainings: (n) codes >= 0.
    """
    mean = values.mean(axis=-1)
    residuals = values - mean[..., None]
    squares, counts = [], []
    for groups in (patients, trainings, patients * (int(trainings.max()) + 1) + trainings):
        _, codes = np.unique(groups, return_inverse=True)
        member = np.zeros((len(codes), int(codes.max()) + 1))
        member[np.arange(len(codes)), codes] = 1
        squares.append(((residuals @ member) ** 2).sum(axis=-1) / len(codes) ** 2)
        counts.append(member.shape[1])
    return Moments(mean, *squares, *counts, observations=values.shape[-1])


def clustered_variance(parts: Moments, kind: Kind) -> tuple[Floats, Integers]:
    """Variance of the mean and its degrees of freedom, each (...,).

    Crossed clusters: V = Vp + max(Vr, Vb) - Vb with each part times n / (n - 1) of its clusters; degrees of the fewer
    clusters. One repeat: the larger of Vp and Vr, with its degrees. Fixed folds: Vr by training set alone.
    """
    by_patient, by_training, by_cell = (
        square * (count / (count - 1) if count > 1 else np.inf)
        for square, count in (
            (parts.by_patient, parts.patients),
            (parts.by_training, parts.trainings),
            (parts.by_cell, parts.cells),
        )
    )
    shape = np.shape(parts.mean)
    if kind == "fixed folds":
        return by_training, np.full(shape, parts.trainings - 1)
    if kind == "one repeat":
        larger = by_training > by_patient
        variance: Floats = np.maximum(by_patient, by_training)
        return variance, np.where(larger, parts.trainings, parts.patients) - 1
    crossed: Floats = by_patient + np.maximum(by_training, by_cell) - by_cell
    return crossed, np.full(shape, min(parts.patients, parts.trainings) - 1)


def estimate(values: Floats, design: Design) -> Estimate:
    """Mean of the cells that are there and its clustered standard error.

    Args:
        values: (R N) scores or differences of two losses, NaN where missing; the mean is over the rest.
        design: the clusters of the cells.
    """
    here = ~np.isnan(values) & (design.trainings >= 0)
    parts = moments(values[here], design.patients[here], design.trainings[here])
    if parts.trainings < 2 or parts.patients < 2:
        return Estimate(float(parts.mean), float("inf"), 0, parts.patients, parts.trainings, int(here.sum()))
    variance, degrees = clustered_variance(parts, design.kind)
    return Estimate(
        float(parts.mean), float(np.sqrt(variance)), int(degrees), parts.patients, parts.trainings, int(here.sum())
    )
