"""Small score tables for the tests of studies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scripts.studies.score_rows import score_table
from tests.studies.simulation import Noise, Plan, draw


@dataclass(frozen=True)
class Row:
    loss: str
    repeat: int
    fold: int
    case: str
    score: float
    patient: str = ""


def simulated_rows(plan, effects, seed=0, noise=None, level=0.8):
    """Rows of losses A, B, ... with these effects; scores are cut off at 0 and 1."""
    random = np.random.default_rng(seed)
    folds = plan.partitions(random)
    scores = np.clip(draw(noise or Noise(), plan, folds, random, 1, np.asarray(effects))[0] + level, 0, 1)
    return [
        Row("ABCDEFGHI"[k], repeat, int(folds[repeat, case]), f"case{case:03d}", float(scores[k, repeat, case]))
        for k in range(len(effects))
        for repeat in range(plan.repeats)
        for case in range(plan.patients)
    ]


def simulated_table(plan, effects, seed=0, noise=None):
    return score_table(simulated_rows(plan, effects, seed, noise))


SMALL = Plan(20, 5, 3)
