"""The same standard error by other ways: statsmodels' formula and a bootstrap. A check, not the answer."""

from __future__ import annotations

import numpy as np

from .design import Design
from .estimation import Estimate, present
from .scores import Floats


def with_statsmodels(values: Floats, design: Design) -> Estimate:
    """The mean and its two-way clustered standard error as statsmodels gives it, for crossed patients and runs.

    It is the square root of a negative number, NaN, where the run's part falls below the cells' part enough;
    ``estimation.estimate`` floors that part.

    Args:
        values: (R N) scores or differences, NaN where missing.
        design: the clusters of the cells.
    """
    import statsmodels.api as sm  # a second to import, for a check only

    here = present(values, design)
    groups = np.stack([design.patients[here], design.trainings[here]], axis=1)
    model = sm.OLS(values[here], np.ones(int(here.sum())))
    keywords = {"groups": groups, "use_correction": True, "df_correction": True}
    with np.errstate(invalid="ignore"):
        fit = model.fit(cov_type="cluster", cov_kwds=keywords, use_t=True)
        standard_error = float(fit.bse[0])
    patients, trainings = (len(np.unique(groups[:, axis])) for axis in (0, 1))
    return Estimate(
        float(fit.params[0]), standard_error, int(fit.df_resid_inference), patients, trainings, int(here.sum())
    )


def crossed_bootstrap(
    values: Floats, design: Design, resamples: int = 2000, level: float = 0.95, seed: int = 0
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

    Reference:
        Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1 (2007).
    """
    here = present(values, design)
    cells = values[here]
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
