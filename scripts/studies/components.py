"""Where the noise of a comparison comes from: patients, training runs, or neither."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .design import Design
from .estimation import moments, present
from .scores import Floats, Integers

IDENTIFIED = ("new partitions", "one training set")


@dataclass(frozen=True)
class Components:
    """Variances of the difference of two losses on one patient from one run.

    Args:
        patient: between patients, the same in every run (patient x loss), >= 0.
        training: between runs, the same for all their patients: first weights, data order and training set, >= 0.
        residual: the rest, >= 0.
        folds: runs a repeat.
    """

    patient: float
    training: float
    residual: float
    folds: int

    def standard_error(self, patients: Floats | float, repeats: Floats | float) -> Floats:
        """Standard error of the mean difference that so many patients and repeats would have; arguments broadcast."""
        cells = np.asarray(patients) * np.asarray(repeats)
        variance = self.patient / np.asarray(patients) + self.training / (self.folds * np.asarray(repeats))
        standard_error: Floats = np.sqrt(variance + self.residual / cells)
        return standard_error

    def degrees(self, patients: Floats | float, repeats: Floats | float) -> Floats:
        """Degrees of freedom of t that so many patients and repeats would have."""
        degrees: Floats = np.minimum(np.asarray(patients), self.folds * np.asarray(repeats)) - 1.0
        return degrees

    def floor(self, patients: float) -> float:
        """Standard error that no number of repeats gets below with so many patients."""
        return float(np.sqrt(self.patient / patients))


def find_components(values: Floats, design: Design, folds: int) -> Components | None:
    """Part the variance of the cells into patient, training and rest by the method of moments.

    Args:
        values: (R N) differences of two losses, NaN where missing. Cases of one patient in one run are averaged first.
        design: the clusters of the cells.
        folds: runs a repeat.

    Returns:
        The components, negative ones set to 0; None where the design does not tell them apart: one repeat, fixed folds,
        or one patient a run.
    """
    if design.kind not in IDENTIFIED:
        return None
    here = present(values, design)
    means, patients, trainings = _cell_means(values[here], design.patients[here], design.trainings[here])
    size = len(means)
    parts = moments(means, patients, trainings)
    of_patient, of_training = _pairs_within(patients), _pairs_within(trainings)
    if min(parts.patients, parts.trainings) < 2 or of_patient == 0 or of_training == 0:
        return None
    patient = max(0.0, float(parts.by_patient - parts.by_cell) * size**2 / of_patient)
    training = max(0.0, float(parts.by_training - parts.by_cell) * size**2 / of_training)
    residual = max(0.0, float(parts.by_cell) * size - patient - training)
    return Components(patient, training, residual, folds)


def pooled(components: Sequence[Components | None]) -> Components | None:
    """The mean of several pairs' components; None if no pair has any."""
    known = [each for each in components if each is not None]
    if not known:
        return None
    return Components(
        patient=float(np.mean([each.patient for each in known])),
        training=float(np.mean([each.training for each in known])),
        residual=float(np.mean([each.residual for each in known])),
        folds=known[0].folds,
    )


def _cell_means(values: Floats, patients: Integers, trainings: Integers) -> tuple[Floats, Integers, Integers]:
    """One value per patient and run."""
    pairs, codes = np.unique(np.stack([patients, trainings]), axis=1, return_inverse=True)
    codes = codes.reshape(-1)
    means: Floats = np.bincount(codes, weights=values) / np.bincount(codes)
    return means, pairs[0], pairs[1]


def _pairs_within(groups: Integers) -> int:
    """Ordered pairs of different cells in the same cluster: sum of n (n - 1)."""
    sizes = np.unique(groups, return_counts=True)[1]
    return int((sizes * (sizes - 1)).sum())
