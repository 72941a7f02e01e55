"""The scores that a study compares: one number per loss, repeat and case."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """Scores of L losses in R repeats on N cases; built by ``score_rows.score_table``, which checks them.

    Args:
        losses: the L names, in the order of the study.
        repeats: the R repeat numbers, ascending.
        cases: the N names, sorted.
        patients: the independent unit of each case (N); the case itself unless the rows say otherwise.
        values: (L, R, N) scores, higher is better; NaN where the run is missing or the score excluded.
        folds: (R, N) fold whose run tested the case in that repeat, the same for every loss; -1: not tested.
        excluded: a loss (L), how many tested cases have no score (truth and prediction both empty).
        missed: a loss (L), how many scores are exactly 0: missed objects, which count.
        missing_runs: (loss, repeat, fold) of each run that another loss has and this one lacks.
        bounds: lowest and highest possible score.
        leaky: a patient's cases lie in several folds of a repeat, so that the patient was trained on when tested.
    """

    losses: tuple[str, ...]
    repeats: tuple[int, ...]
    cases: tuple[str, ...]
    patients: tuple[str, ...]
    values: Floats
    folds: Integers
    excluded: tuple[int, ...]
    missed: tuple[int, ...]
    missing_runs: tuple[tuple[str, int, int], ...] = ()
    bounds: tuple[float, float] = (0.0, 1.0)
    leaky: bool = False

    @property
    def num_patients(self) -> int:
        """Number of independent units."""
        return len(set(self.patients))

    @property
    def num_folds(self) -> int:
        """Largest number of runs of one loss in a repeat."""
        return max(len(set(row[row >= 0].tolist())) for row in self.folds)

    def index(self, loss: str) -> int:
        """Place of a loss on the first axis of ``values``."""
        return self.losses.index(loss)
