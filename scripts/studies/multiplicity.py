"""Corrections for many comparisons: Holm, multiple comparison with the best, and ranks."""

from __future__ import annotations

import gc
from collections.abc import Sequence

import numpy as np

from .estimation import Estimate
from .scores import Floats

ALPHA = 0.05


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values of Holm's step-down procedure, in the order given.

    Reference:
        Holm, "A simple sequentially rejective multiple test procedure", Scandinavian J. Statistics 6 (1979).
    """
    from statsmodels.stats.multitest import multipletests  # slow to import: only for a decision

    if not len(p_values):
        return []
    gc.freeze()  # it collects garbage at every call, which among the objects of torch takes a second
    try:
        return [float(value) for value in multipletests(p_values, method="holm")[1]]
    finally:
        gc.unfreeze()


def upper_bounds(estimates: Sequence[Sequence[Estimate | None]], comparisons: int, alpha: float = ALPHA) -> Floats:
    """One-sided upper bounds of every difference, (L, L): [k, b] of k - b; the diagonal is -inf.

    Args:
        estimates: [k][b] of k - b; the diagonal is None.
        comparisons: how many bounds have to hold together: L - 1 others of the best one (times the looks at them).
        alpha: probability that any of them fails.
    """
    size = len(estimates)
    bounds: Floats = np.full((size, size), -np.inf)
    for k, row in enumerate(estimates):
        for b, each in enumerate(row):
            if each is not None:
                bounds[k, b] = each.mean + each.for_family().reach(1 - alpha / comparisons)
    return bounds


def best_set(bounds: Floats) -> list[bool]:
    """Which losses may be the best: no other one's lower bound over them is above 0.

    The lower bound of k - b is minus the upper bound of b - k. With L - 1 comparisons the set holds the best loss with
    95 % confidence, and the regret bound of every loss holds with it.

    Reference:
        Hsu, "Simultaneous confidence intervals for all distances from the best", Annals of Statistics 9 (1981), with
        Bonferroni's inequality in place of the multivariate t.
    """
    off_diagonal = ~np.eye(len(bounds), dtype=bool)
    return [not bool(np.any(bounds[b, off_diagonal[b]] < 0)) for b in range(len(bounds))]


def regret_bounds(bounds: Floats) -> Floats:
    """By how much another loss may be better than each one, at most: (L), >= 0."""
    worst: Floats = np.maximum(0.0, bounds.max(axis=0))
    return worst


def leader(differences: Floats) -> int:
    """The loss that no other exceeds in the estimates, or is exceeded by the least; the first of equals.

    Args:
        differences: (L, L) estimates of k - b. They need not add up: when runs are missing each pair has its own cells.
    """
    return int(np.argmin(differences.max(axis=0)))


def rank_interval(better_than_it: int, worse_than_it: int, losses: int) -> tuple[int, int]:
    """Ranks that the comparisons leave possible, 1 to L."""
    return 1 + better_than_it, losses - worse_than_it
