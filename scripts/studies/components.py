"""Where the noise of a comparison comes from, and what would settle it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Components:
    """Variances of the difference of two losses on one patient from one run.

    Args:
        patient: between patients, the same in every run (patient x loss).
        training: between runs: first weights, data order and training set together.
        residual: the rest.
        folds: runs a repeat.
    """

    patient: float
    training: float
    residual: float
    folds: int

    def variance(self, patients: float, repeats: float) -> float:
        """Variance of the mean difference over so many patients and repeats."""
        raise NotImplementedError

    def floor(self, patients: float) -> float:
        """Standard error that no number of repeats gets below with so many patients."""
        raise NotImplementedError


@dataclass(frozen=True)
class Settlement:
    """What would settle an undecided pair if the true difference is the estimate.

    Settled means: shown to be better (at the level of the study's family of pairs) or equivalent. Each range goes from an
    even chance to 80 % power; None: beyond ``MOST_REPEATS`` or ``MOST_PATIENTS``, so that no such number settles it.

    Args:
        repeats: total number of repeats with the patients of the study: (even chance, 80 %).
        patients: total number of patients with the repeats of the study.
        by: what the outcome would be, the likelier of the two.
        floor: standard error that more repeats cannot get below.
    """

    repeats: tuple[int, int | None] | None
    patients: tuple[int, int | None] | None
    by: str
    floor: float
