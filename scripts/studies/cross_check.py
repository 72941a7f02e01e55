"""The same interval by another way, a bootstrap: a check that is printed beside the answer."""

from __future__ import annotations

import numpy as np

from .design import Design
from .estimation import present
from .scores import Floats


def crossed_bootstrap(
    values: Floats, design: Design, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of the mean when patients and runs are both drawn again with replacement.

    A cell counts as often as its patient and its run were drawn: weights of two multinomials multiplied. It does not
    see that patients or runs are few, so it is a little shorter than the interval of ``estimation.estimate`` then.

    Args:
        values: (R N) scores or differences, NaN where missing.
        design: the clusters of the cells.
        resamples: number of draws.
        level: of the interval, between 0 and 1.
        seed: of the draws.

    Returns:
        Both ends; NaN where there is only one run.

    Reference:
        Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1 (2007).
    """
    here = present(values, design)
    cells = values[here]
    if len(np.unique(design.trainings[here])) < 2:
        return float("nan"), float("nan")
    random = np.random.default_rng(seed)
    weights = np.ones((resamples, len(cells)))
    for groups in (design.patients[here], design.trainings[here]):
        _, codes = np.unique(groups, return_inverse=True)
        count = int(codes.max()) + 1
        weights *= random.multinomial(count, np.full(count, 1 / count), size=resamples)[:, codes]
    totals = weights.sum(axis=1)
    means = (weights @ cells)[totals > 0] / totals[totals > 0]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
